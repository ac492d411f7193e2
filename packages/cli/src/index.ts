// Public names of @zk0/cli.
export {};
