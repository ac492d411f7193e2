// Public names of @zk0/sim.
export {};
