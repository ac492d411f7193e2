// Public names of @zk0/policy.
export {};
