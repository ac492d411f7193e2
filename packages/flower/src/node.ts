// Node side of the package: gRPC over TLS, certificates, objects in files. Public names of @zk0/flower/node.
export { loadAppBundle } from "./node/app-folder.ts";
export {
	type CertificateAuthority,
	createCertificateAuthority,
	issueServerCertificate,
	type Validity,
} from "./node/certificates.ts";
export { type CheckServerOptions, checkServer } from "./node/check-server.ts";
export { isLoopback } from "./node/connection.ts";
export { type FileBytes, openFileBytes } from "./node/file-bytes.ts";
export type { Listener, ListenOptions, ServerCertificate } from "./node/grpc-listener.ts";
export { type GrpcServer, type GrpcServerOptions, serveGrpc } from "./node/grpc-server.ts";
export { type ClientTls, type GrpcTransportOptions, grpcTransport } from "./node/grpc-transport.ts";
export { makeHeapRoom } from "./node/heap-room.ts";
export { openObjectDirectory } from "./node/object-directory.ts";
export { authoritiesIn, certificateFingerprint, fetchAuthority, trustName } from "./node/pinned-authority.ts";
