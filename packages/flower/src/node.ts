// Node side of the package: gRPC over TLS, certificates, objects in files. Public names of @zk0/flower/node.
export {} from "./errors.ts";
