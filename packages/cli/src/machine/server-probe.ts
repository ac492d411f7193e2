// The way from a site to its server: round trip, the server's clock, and how fast bytes go up.
import { randomBytes } from "node:crypto";
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { sha256Hex } from "@zk0/arrays/node";
import { nodeIdOf } from "@zk0/federation";
import { authenticated, Fleet } from "@zk0/flower";
import { CliError } from "../cli-error.ts";
import type { Host } from "../host.ts";
import type { ClientHome } from "../network/home.ts";
import { SYSTEM } from "../network/invitation.ts";
import { readJsonFile } from "../network/private-file.ts";
import { connect } from "../network/server-connection.ts";
import { type ClientSettings, clientSettingsSchema, ownIdentity } from "../network/site-identity.ts";

const TIMEOUT_MS = 5000;
/** Less than the largest message of the protocol. */
const UPLOAD_BYTES = 4 * 2 ** 20;
const NUM_UPLOADS = 3;
/** A slow line still carries one in this time. */
const UPLOAD_TIMEOUT_MS = 60_000;

/** What the client remembers of its federation. @throws CliError "not-joined" */
export async function readJoined(home: ClientHome): Promise<ClientSettings> {
	const joined = await readJsonFile(home.settings, clientSettingsSchema);
	if (joined !== undefined) return joined;
	throw new CliError("not-joined", `${home.dir} belongs to no federation yet`, { cure: "zk0 client join" });
}

/** Round-trip time and the server's clock, over a connection that trusts what the client's does. */
export async function probeServer({
	host,
	port,
	authority,
}: Pick<ClientSettings, "host" | "port" | "authority">): Promise<{
	readonly roundTripMs: number;
	readonly date: string | undefined;
}> {
	const place = `${host.includes(":") ? `[${host}]` : host}:${port}`;
	const trust = authority === null || authority === SYSTEM ? {} : { ca: authority };
	const session =
		authority === null
			? connectHttp2(`http://${place}`)
			: connectHttp2(`https://${place}`, { ...trust, minVersion: "TLSv1.3" });
	const timer = setTimeout(() => {
		session.destroy(new CliError("start-failed", `no answer within ${TIMEOUT_MS / 1000} s`));
	}, TIMEOUT_MS);
	try {
		return await new Promise((resolve, reject) => {
			session.once("error", reject);
			session.once("connect", () => {
				session.ping((error, roundTripMs) => {
					if (error !== null) reject(error);
					else askHealth(session, ({ date }) => resolve({ roundTripMs, date }));
				});
			});
		});
	} finally {
		clearTimeout(timer);
		session.destroy();
	}
}

/** Asks gRPC's health service with an empty message; whatever the answer, its headers have the time. */
function askHealth(session: ClientHttp2Session, onHeaders: (headers: IncomingHttpHeaders) => void): void {
	const stream = session.request({
		":method": "POST",
		":path": "/grpc.health.v1.Health/Check",
		"content-type": "application/grpc",
		te: "trailers",
	});
	stream.once("response", onHeaders);
	// An error of the stream is one of the session, or comes after the answer.
	stream.on("error", () => undefined);
	stream.end(Buffer.alloc(5));
}

/**
 * Bytes per second from here to the server: pushes random objects that no message wants, which the server reads and drops.
 * The best of a few; the first also makes the connection.
 * @throws FlowerError when the server does not know this site
 */
export async function measureUpload(
	home: ClientHome,
	settings: ClientSettings,
	{ now, signal }: Pick<Host, "now" | "signal">,
): Promise<number> {
	const identity = await ownIdentity(home);
	const node = { nodeId: nodeIdOf(identity.publicKeyPem) };
	await using transport = authenticated(connect(settings), identity, now);
	const rates: number[] = [];
	for (let turn = 0; turn < NUM_UPLOADS; turn++) {
		const objectContent = randomBytes(UPLOAD_BYTES);
		const request = { node, runId: 0n, objectId: sha256Hex(objectContent), objectContent };
		const startedMs = performance.now();
		await transport.unary(Fleet.method.pushObject, request, { signal, timeoutMs: UPLOAD_TIMEOUT_MS });
		rates.push(UPLOAD_BYTES / ((performance.now() - startedMs) / 1000));
	}
	return Math.max(...rates);
}
