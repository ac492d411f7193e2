// Every way in which a client can be at the wrong server, or at the right one at the wrong time.
import { createServer } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FlowerError } from "../errors.ts";
import { Fleet } from "../gen/flwr/proto/fleet_pb.ts";
import {
	type CertificateAuthority,
	createCertificateAuthority,
	issueServerCertificate,
} from "./certificates.ts";
import { checkServer } from "./check-server.ts";
import { type GrpcServer, serveGrpc } from "./grpc-server.ts";
import { type ClientTls, grpcTransport } from "./grpc-transport.ts";
import { certificateFingerprint, fetchAuthority } from "./pinned-authority.ts";

const host = "127.0.0.1";
const days = (count: number): Date => new Date(Date.now() + count * 86_400_000);
const now = { notBefore: days(-1), notAfter: days(1) };
const past = { notBefore: days(-9), notAfter: days(-8) };

let authority: CertificateAuthority;
let stranger: CertificateAuthority;
let server: GrpcServer;
let plain: GrpcServer;
beforeAll(async () => {
	authority = await createCertificateAuthority({ commonName: "ours", ...now });
	stranger = await createCertificateAuthority({ commonName: "theirs", ...now });
	const certificate = await issueServerCertificate(authority, { hosts: [host], ...now });
	server = await serveGrpc(new Map(), { host, port: 0, security: certificate });
	plain = await serveGrpc(new Map(), { host, port: 0, security: "plaintext" });
});
afterAll(async () => {
	await server[Symbol.asyncDispose]();
	await plain[Symbol.asyncDispose]();
});

async function problemOf(port: number, security: ClientTls | "plaintext"): Promise<string> {
	try {
		await checkServer({ host, port, security, timeoutMs: 2000 });
		return "none";
	} catch (error) {
		if (error instanceof FlowerError) return `${error.code} ${error.problem ?? ""}: ${error.message}`;
		throw error;
	}
}

const trust = (): ClientTls => ({ rootCertificates: authority.certificate });

test("the right server at the right time is no problem", async () => {
	expect(await problemOf(server.port, trust())).toBe("none");
	expect(await problemOf(plain.port, "plaintext")).toBe("none");
});

test("each problem is told from the others and names its cure, before and during calls", async () => {
	const during = async (security: ClientTls): Promise<string> => {
		await using transport = grpcTransport({ host, port: server.port, security });
		const call = transport.unary(Fleet.method.sendNodeHeartbeat, {}, { timeoutMs: 3000 });
		return await call.then(
			() => "none",
			({ problem, message }: FlowerError) => `${problem ?? ""}: ${message}`,
		);
	};
	const foreign = { rootCertificates: stranger.certificate };
	expect(await problemOf(server.port, foreign)).toMatch(/^unavailable wrong-authority: .*new invitation/);
	expect(await during(foreign)).toMatch(/^wrong-authority: /);
	expect(await problemOf(server.port, {})).toMatch(/^unavailable wrong-authority: /);
	server.replaceCertificate(await issueServerCertificate(authority, { hosts: [host], ...past }));
	expect(await problemOf(server.port, trust())).toMatch(
		/^unavailable certificate-expired: .*restarts the server/,
	);
	expect(await during(trust())).toMatch(/^certificate-expired: /);
	server.replaceCertificate(await issueServerCertificate(authority, { hosts: ["example.org"], ...now }));
	expect(await problemOf(server.port, trust())).toMatch(/^unavailable wrong-name: .*--address/);
	expect(await problemOf(server.port, { ...trust(), serverName: "example.org" })).toBe("none");
	expect(await problemOf(plain.port, trust())).toMatch(/^unavailable plaintext-port: .*new invitation/);
	expect(await problemOf(server.port, "plaintext")).toMatch(/^unavailable tls-port: .*new invitation/);
});

test("nobody there, and somebody who says nothing", async () => {
	const silent = createServer((socket) => socket.on("error", () => undefined).resume()).listen(0, host);
	await new Promise((resolve) => silent.once("listening", resolve));
	const address = silent.address();
	const port = typeof address === "object" && address !== null ? address.port : 0;
	for (const security of [trust(), "plaintext"] as const)
		await expect(checkServer({ host, port, security, timeoutMs: 50 })).rejects.toMatchObject({
			problem: "unreachable",
		});
	await new Promise((resolve) => silent.close(resolve));
	for (const security of [trust(), "plaintext"] as const)
		expect(await problemOf(port, security)).toMatch(/^unavailable unreachable: Cannot reach 127/);
	const fingerprint = certificateFingerprint(authority.certificate);
	await expect(fetchAuthority({ host, port: plain.port, fingerprint, timeoutMs: 500 })).rejects.toMatchObject(
		{
			problem: "plaintext-port",
		},
	);
});
