// What this machine moves over one TLS 1.3 connection on loopback between two processes, without gRPC on top.

import { fork } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:tls";
import { fileURLToPath } from "node:url";
import { testCertificate } from "./test-certificate.ts";

const NUM_BYTES = 400_000_000;
const PIECE_BYTES = 1 << 20;

/** Megabytes (10^6) per second. */
export async function measureTlsRate(): Promise<number> {
	const { authority, certificate } = await testCertificate();
	const server = createServer({
		cert: certificate.certificateChain,
		key: certificate.privateKey,
		minVersion: "TLSv1.3",
	});
	let numBytes = 0;
	let startMs = 0;
	const done = new Promise<number>((resolve) => {
		server.on("secureConnection", (socket) => {
			socket.on("data", (bytes: Buffer) => {
				if (numBytes === 0) startMs = performance.now();
				numBytes += bytes.length;
				if (numBytes >= NUM_BYTES) resolve(performance.now() - startMs);
			});
		});
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	const port = typeof address === "object" && address !== null ? address.port : 0;
	const sender = fork(fileURLToPath(import.meta.url), [String(port), authority], {
		execArgv: process.execArgv,
	});
	try {
		return Math.round(NUM_BYTES / 1e3 / (await done));
	} finally {
		sender.kill();
		server.close();
	}
}

async function send(port: number, authority: string): Promise<void> {
	const socket = connect({ port, host: "127.0.0.1", ca: authority });
	await once(socket, "secureConnect");
	const piece = Buffer.alloc(PIECE_BYTES, 7);
	for (let sent = 0; sent < NUM_BYTES; sent += piece.length) {
		if (!socket.write(piece)) await once(socket, "drain");
	}
	socket.end();
}

if (process.argv[1] === fileURLToPath(import.meta.url))
	await send(Number(process.argv[2]), process.argv[3] ?? "");
