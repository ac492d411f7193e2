// Public names of @zk0/finetune.
export {};
