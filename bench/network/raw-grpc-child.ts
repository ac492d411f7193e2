// One side of a bare grpc-js upload over TLS: unary calls with pieces from memory, which the server throws away. What zk0's
// upload is compared with.

import { readFileSync } from "node:fs";
import { ChannelCredentials, Client, type handleUnaryCall, Server, ServerCredentials } from "@grpc/grpc-js";
import { z } from "zod";

const settingsSchema = z.object({
	role: z.enum(["server", "client"]),
	authority: z.string(),
	certificateChain: z.string(),
	privateKey: z.string(),
	port: z.int(),
	numBytes: z.int(),
	pieceBytes: z.int(),
	concurrency: z.int(),
	windowBytes: z.int(),
});

const PATH = "/bench.Raw/Push";
const MAX_MESSAGE_BYTES = 64 << 20;

const settings = settingsSchema.parse(JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")));
const limits = {
	"grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
	"grpc.max_send_message_length": MAX_MESSAGE_BYTES,
	"grpc-node.flow_control_window": settings.windowBytes,
};
if (settings.role === "server") await serve();
else await upload();

async function serve(): Promise<void> {
	const { authority, certificateChain, privateKey } = settings;
	const server = new Server(limits);
	const discard: handleUnaryCall<Buffer, Buffer> = (_, respond) => respond(null, Buffer.alloc(0));
	const same = (bytes: Buffer): Buffer => bytes;
	server.register(PATH, discard, same, same, "unary");
	const credentials = ServerCredentials.createSsl(Buffer.from(authority), [
		{ cert_chain: Buffer.from(certificateChain), private_key: Buffer.from(privateKey) },
	]);
	const port = await new Promise<number>((resolve, reject) => {
		server.bindAsync("127.0.0.1:0", credentials, (error, bound) =>
			error === null ? resolve(bound) : reject(error),
		);
	});
	console.log(JSON.stringify({ port }));
}

async function upload(): Promise<void> {
	const { authority, port, numBytes, pieceBytes, concurrency } = settings;
	const client = new Client(
		`127.0.0.1:${port}`,
		ChannelCredentials.createSsl(Buffer.from(authority)),
		limits,
	);
	const piece = Buffer.alloc(pieceBytes, 7);
	const same = (bytes: Buffer): Buffer => bytes;
	const push = (bytes: Buffer): Promise<void> =>
		new Promise((resolve, reject) => {
			client.makeUnaryRequest(PATH, same, same, bytes, (error) =>
				error === null ? resolve() : reject(error),
			);
		});
	await push(piece.subarray(0, 1));
	const startMs = performance.now();
	let left = numBytes;
	const worker = async (): Promise<void> => {
		while (left > 0) {
			const size = Math.min(left, pieceBytes);
			left -= size;
			await push(piece.subarray(0, size));
		}
	};
	await Promise.all(Array.from({ length: concurrency }, worker));
	console.log(JSON.stringify({ ms: performance.now() - startMs }));
	client.close();
}
