// Trust by fingerprint: a client that was told the fingerprint of a server's authority fetches the certificate itself and
// trusts nothing else from then on.
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { FlowerError } from "../errors.ts";
import { saidBy } from "./check-server.ts";
import { TLS_MIN_VERSION } from "./connection.ts";
import { connectionError } from "./connection-problem.ts";

/** Certificates of a chain that are looked at. */
const MAX_CHAIN = 5;

/** SHA-256 of a certificate (PEM), in lower-case hex. */
export function certificateFingerprint(pem: string): string {
	return new X509Certificate(pem).fingerprint256.replaceAll(":", "").toLowerCase();
}

/**
 * The certificate (PEM) with this fingerprint in the chain that a server shows.
 * @throws FlowerError unavailable when it cannot be reached, unauthenticated when its chain has another authority.
 */
export async function fetchAuthority(options: {
	readonly host: string;
	readonly port: number;
	readonly fingerprint: string;
	readonly timeoutMs: number;
}): Promise<string> {
	const { host, port, fingerprint } = options;
	const chain = await readChain(options);
	const found = chain.find((pem) => certificateFingerprint(pem) === fingerprint);
	if (found !== undefined) return found;
	throw new FlowerError(
		"unauthenticated",
		`The server at ${host}:${port} is not the one that the invitation is from, or its authority was replaced since: ` +
			"ask the operator for a new invitation.",
		{ problem: "wrong-authority" },
	);
}

function readChain(options: { host: string; port: number; timeoutMs: number }): Promise<string[]> {
	const { host, port, timeoutMs } = options;
	return new Promise((resolve, reject) => {
		const socket = connect({
			host,
			port,
			minVersion: TLS_MIN_VERSION,
			ALPNProtocols: ["h2"],
			// Nothing is sent and nothing believed but the chain, which is compared with the fingerprint.
			rejectUnauthorized: false,
			...(isIP(host) === 0 ? { servername: host } : {}),
			timeout: timeoutMs,
		});
		const fail = (cause?: Error): void => {
			socket.destroy();
			const why = cause === undefined ? `no answer within ${timeoutMs} ms` : saidBy(cause);
			reject(connectionError(why, { host, port }, cause));
		};
		socket.once("error", fail);
		socket.once("timeout", () => fail());
		socket.once("secureConnect", () => {
			const chain = chainOf(socket.getPeerCertificate(true));
			socket.destroy();
			resolve(chain);
		});
	});
}

function chainOf(leaf: DetailedPeerCertificate): string[] {
	const chain: string[] = [];
	let current: DetailedPeerCertificate | undefined = leaf;
	while (current?.raw !== undefined && chain.length < MAX_CHAIN) {
		chain.push(new X509Certificate(current.raw).toString());
		const issuer: DetailedPeerCertificate | undefined = current.issuerCertificate;
		if (issuer === current) break;
		current = issuer;
	}
	return chain;
}
