// Trust by fingerprint: a client that was told the fingerprint of a server's authority fetches the certificate itself and
// trusts nothing else from then on.
import { createHash, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { FlowerError } from "../errors.ts";
import { saidBy } from "./check-server.ts";
import { TLS_MIN_VERSION } from "./connection.ts";
import { connectionError } from "./connection-problem.ts";

/** Certificates of a chain that are looked at. */
const MAX_CHAIN = 5;
/** An authority and its successor are two. */
const MAX_AUTHORITIES = 4;
/** A certificate is under 10,000 characters. */
const MAX_PEM_CHARACTERS = 40_000;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** SHA-256 of a certificate (PEM), in lower-case hex. */
export function certificateFingerprint(pem: string): string {
	return new X509Certificate(pem).fingerprint256.replaceAll(":", "").toLowerCase();
}

/** Names a set of authorities (PEM), in whatever order: hex SHA-256 over their fingerprints. */
export function trustName(authorities: readonly string[]): string {
	const fingerprints = authorities.map(certificateFingerprint).sort();
	return createHash("sha256").update(fingerprints.join()).digest("hex");
}

/**
 * The authorities' certificates in a PEM text, one PEM each.
 * @throws FlowerError invalid-argument for none, more than 4, or what is no authority's certificate
 */
export function authoritiesIn(pem: string): string[] {
	const found = pem.slice(0, MAX_PEM_CHARACTERS).match(PEM_CERTIFICATE) ?? [];
	if (found.length === 0 || found.length > MAX_AUTHORITIES)
		throw new FlowerError("invalid-argument", `${found.length} certificates where authorities were expected`);
	return found.map((one) => {
		const certificate = readCertificate(one);
		if (!certificate.ca) throw new FlowerError("invalid-argument", "a certificate that is no authority's");
		return certificate.toString();
	});
}

function readCertificate(pem: string): X509Certificate {
	try {
		return new X509Certificate(pem);
	} catch (cause) {
		throw new FlowerError("invalid-argument", "a certificate that cannot be read", { cause });
	}
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
