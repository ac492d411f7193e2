// Public names of @zk0/federation.
export {};
