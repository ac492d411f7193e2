// Public names of @zk0/autodiff.
export {};
