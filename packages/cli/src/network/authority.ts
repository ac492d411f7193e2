// The server's own certificate authority (P-384) and its certificate: made at the first start, the certificate again
// when it nears its end or the server is reached under other names.
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import {
	type CertificateAuthority,
	certificateFingerprint,
	createCertificateAuthority,
	issueServerCertificate,
	type ServerCertificate,
} from "@zk0/flower/node";
import { changeWhenDue, type Rotation, readRotation } from "./authority-rotation.ts";
import type { ServerHome } from "./home.ts";
import { operatorTrust } from "./operator-certificate.ts";
import { readIfThere, writePrivateFile } from "./private-file.ts";
import type { ServerSettings } from "./server-settings.ts";

const DAY_MS = 24 * 3600 * 1000;
const AUTHORITY_DAYS = 3650;
const CERTIFICATE_DAYS = 365;
/** A certificate with less left is replaced at the next start. */
export const RENEW_DAYS = 30;
/** Clocks of sites may be behind. */
const BACKDATE_MS = DAY_MS;

/** What the server shows, and what clients pin. */
export interface ServerTrust {
	readonly certificate: ServerCertificate;
	/** What invitations say to trust: SHA-256 of the authority's certificate, or the system's authorities. */
	readonly pin: string;
	readonly expiresAtMs: number;
	/** PEM of what sites should trust: the authority and, before a change, its successor; empty: nothing to announce. */
	readonly authorities: readonly string[];
	/** The successor; null: there is none. */
	readonly rotation: Rotation | null;
}

/** What a server with these settings shows; null: it has no TLS. @throws CliError "bad-certificate" */
export async function trustOf(
	home: ServerHome,
	{ security, certificate, address }: ServerSettings,
	nowMs: number,
): Promise<ServerTrust | null> {
	if (security === "plaintext") return null;
	if (certificate !== null) return await operatorTrust(certificate, address, nowMs);
	return await serverTrust(home, [address, "localhost", "127.0.0.1"], nowMs);
}

/** Loads or makes authority and certificate for a server that is reached as `hosts`. */
export async function serverTrust(
	home: ServerHome,
	hosts: readonly [string, ...string[]],
	nowMs: number,
): Promise<ServerTrust> {
	await changeWhenDue(home, nowMs);
	const authority = (await loadAuthority(home)) ?? (await makeAuthority(home, nowMs));
	const rotation = (await readRotation(home)) ?? null;
	const certificate =
		(await loadCertificate(home, authority, hosts, nowMs)) ??
		(await renewCertificate(home, authority, hosts, nowMs));
	const { validTo } = new X509Certificate(certificate.certificateChain);
	return {
		certificate,
		pin: certificateFingerprint(authority.certificate),
		expiresAtMs: Date.parse(validTo),
		authorities: [authority.certificate, ...(rotation === null ? [] : [rotation.certificate])],
		rotation,
	};
}

async function loadAuthority(home: ServerHome): Promise<CertificateAuthority | undefined> {
	const certificate = await readIfThere(home.authority);
	const privateKey = await readIfThere(home.authorityKey);
	return certificate === undefined || privateKey === undefined ? undefined : { certificate, privateKey };
}

/** A new authority, in memory. */
export function newAuthority(nowMs: number): Promise<CertificateAuthority> {
	return createCertificateAuthority({ commonName: "zk0 federation", ...validFrom(nowMs, AUTHORITY_DAYS) });
}

async function makeAuthority(home: ServerHome, nowMs: number): Promise<CertificateAuthority> {
	const authority = await newAuthority(nowMs);
	await writePrivateFile(home.authorityKey, authority.privateKey);
	await writePrivateFile(home.authority, authority.certificate);
	return authority;
}

/** The certificate on disk, if it is still good. */
async function loadCertificate(
	home: ServerHome,
	authority: CertificateAuthority,
	hosts: readonly string[],
	nowMs: number,
): Promise<ServerCertificate | undefined> {
	const certificateChain = await readIfThere(home.certificate);
	const privateKey = await readIfThere(home.certificateKey);
	if (certificateChain === undefined || privateKey === undefined) return undefined;
	const parsed = new X509Certificate(certificateChain);
	const isOurs = parsed.verify(new X509Certificate(authority.certificate).publicKey);
	const isFresh = Date.parse(parsed.validTo) - nowMs > RENEW_DAYS * DAY_MS;
	const names = (host: string): boolean =>
		(isIP(host) === 0 ? parsed.checkHost(host) : parsed.checkIP(host)) !== undefined;
	const namesAll = hosts.every(names);
	return isOurs && isFresh && namesAll ? { certificateChain, privateKey } : undefined;
}

async function renewCertificate(
	home: ServerHome,
	authority: CertificateAuthority,
	hosts: readonly [string, ...string[]],
	nowMs: number,
): Promise<ServerCertificate> {
	const { notBefore, notAfter } = validFrom(nowMs, CERTIFICATE_DAYS);
	// Longer than its authority it would be good for nothing.
	const endsMs = Math.min(notAfter.getTime(), Date.parse(new X509Certificate(authority.certificate).validTo));
	const issued = await issueServerCertificate(authority, { hosts, notBefore, notAfter: new Date(endsMs) });
	// The authority's certificate goes along, so that a client that knows its fingerprint finds it there.
	const chain = `${issued.certificateChain.trim()}\n${authority.certificate.trim()}\n`;
	await writePrivateFile(home.certificateKey, issued.privateKey);
	await writePrivateFile(home.certificate, chain);
	return { certificateChain: chain, privateKey: issued.privateKey };
}

function validFrom(nowMs: number, days: number): { notBefore: Date; notAfter: Date } {
	return { notBefore: new Date(nowMs - BACKDATE_MS), notAfter: new Date(nowMs + days * DAY_MS) };
}
