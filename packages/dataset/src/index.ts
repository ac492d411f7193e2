// Public names of @zk0/dataset.
export {};
