// Whether what a server shows to sites is what they trust, and for how long.
import { X509Certificate } from "node:crypto";
import { readMembers } from "@zk0/federation";
import { FlowerError } from "@zk0/flower";
import { certificateFingerprint, checkServer, fetchAuthority, isLoopback } from "@zk0/flower/node";
import { CliError } from "../cli-error.ts";
import { RENEW_DAYS } from "./authority.ts";
import { changesAtMs, readRotation, rotationStatus, sitesToTell } from "./authority-rotation.ts";
import type { ServerHome } from "./home.ts";
import { SYSTEM } from "./invitation.ts";
import { operatorTrust } from "./operator-certificate.ts";
import { readIfThere } from "./private-file.ts";
import type { Check } from "./server-check.ts";
import type { ServerSettings } from "./server-settings.ts";

const DAY_MS = 24 * 3600 * 1000;
const PROBE_TIMEOUT_MS = 5000;
/** An authority with less left is to be replaced: every site has to learn of it. */
const AUTHORITY_DAYS = 365;
/** Sites that have not heard of a change by then are named. */
const NOTICE_DAYS = 7;

/** Encryption, certificates, and what the port shows. */
export async function checkTrust(
	home: ServerHome,
	settings: ServerSettings,
	nowMs: number,
): Promise<Check[]> {
	const { security, listen, port, certificate, address } = settings;
	const encryption: Check = {
		name: "encryption",
		isGood: security === "tls" || isLoopback(listen),
		found: security === "tls" ? "TLS 1.3" : `plaintext on ${listen}`,
		cure: "start again without --plaintext",
	};
	if (security === "plaintext") return [encryption];
	const place = { host: isLoopback(listen) ? listen : "127.0.0.1", port };
	if (certificate !== null) return [encryption, ...(await checkOperators(settings, place, nowMs))];
	return [
		encryption,
		await checkExpiry(
			"certificate",
			home.certificate,
			nowMs,
			RENEW_DAYS / 2,
			"restart the server to renew it",
		),
		await checkAuthority(home, nowMs),
		await checkServed(place, certificateFingerprint((await readIfThere(home.authority)) ?? ""), address),
	];
}

/** The authority's end, or how far its successor is announced. */
async function checkAuthority(home: ServerHome, nowMs: number): Promise<Check> {
	const rotation = await readRotation(home);
	if (rotation === undefined)
		return await checkExpiry("authority", home.authority, nowMs, AUTHORITY_DAYS, "zk0 server rotate-ca");
	const { members } = await readMembers(home.members);
	const { authority, changesAt, known, missing } = rotationStatus(rotation, sitesToTell(members));
	const found = `changes to ${authority.slice(0, 16)} on ${changesAt}, known by ${known.length} sites`;
	return {
		name: "authority",
		isGood: missing.length === 0 || changesAtMs(rotation) - nowMs > NOTICE_DAYS * DAY_MS,
		found: missing.length === 0 ? found : `${found}, not yet by ${missing.join(", ")}`,
		cure: "start these sites' clients before then, or give them time: zk0 server rotate-ca --overlap <time>",
	};
}

async function checkOperators(
	{ certificate, address }: ServerSettings,
	place: Place,
	nowMs: number,
): Promise<Check[]> {
	const name = "certificate";
	if (certificate === null) return [];
	try {
		const { expiresAtMs, pin } = await operatorTrust(certificate, address, nowMs);
		const days = Math.floor((expiresAtMs - nowMs) / DAY_MS);
		const found = `${certificate.certificate}, ${days} days left`;
		const cure = "renew it where it came from; the server reads it again within an hour";
		return [{ name, isGood: days > RENEW_DAYS / 4, found, cure }, await checkServed(place, pin, address)];
	} catch (error) {
		if (!(error instanceof CliError)) throw error;
		return [{ name, isGood: false, found: error.message, cure: error.cure ?? "" }];
	}
}

interface Place {
	readonly host: string;
	readonly port: number;
}

async function checkExpiry(
	name: string,
	path: string,
	nowMs: number,
	minDays: number,
	cure: string,
): Promise<Check> {
	const pem = await readIfThere(path);
	if (pem === undefined) return { name, isGood: false, found: `no ${path}`, cure: "zk0 server start" };
	const days = Math.floor((Date.parse(new X509Certificate(pem).validTo) - nowMs) / DAY_MS);
	const found = days < 0 ? `expired ${-days} days ago` : `${days} days left`;
	return { name, isGood: days > minDays, found, cure };
}

/** Connects as a site would. */
async function checkServed(place: Place, pin: string, serverName: string): Promise<Check> {
	const name = "served chain";
	const timeoutMs = PROBE_TIMEOUT_MS;
	try {
		const trusted =
			pin === SYSTEM
				? {}
				: { rootCertificates: await fetchAuthority({ ...place, fingerprint: pin, timeoutMs }) };
		await checkServer({ ...place, security: { ...trusted, serverName }, timeoutMs });
		const found = pin === SYSTEM ? "trusted by this system" : `ends at authority ${pin.slice(0, 16)}`;
		return { name, isGood: true, found, cure: "" };
	} catch (error) {
		if (!(error instanceof FlowerError)) throw error;
		const cure = "zk0 server start, or see `zk0 server logs`";
		return { name, isGood: false, found: error.message, cure };
	}
}
