// Public names of @zk0/flower (gRPC, certificates and files are in @zk0/flower/node).
export { codeOfStatus, FlowerError, type FlowerErrorCode, statusOfCode } from "./errors.ts";
