// The security self-check of a server's state folder and of what it serves, without trusting the running process.
import { X509Certificate } from "node:crypto";
import { stat } from "node:fs/promises";
import { readMembers } from "@zk0/federation";
import { FlowerError } from "@zk0/flower";
import { certificateFingerprint, fetchAuthority, isLoopback } from "@zk0/flower/node";
import { codeOf } from "../exit-codes.ts";
import type { Host } from "../host.ts";
import { RENEW_DAYS } from "./authority.ts";
import type { ServerHome } from "./home.ts";
import { readIfThere, readJsonFile } from "./private-file.ts";
import { serverSettingsSchema } from "./server-settings.ts";

/** One check. */
export interface Check {
	readonly name: string;
	readonly isGood: boolean;
	readonly found: string;
	/** What to do when it is not good. */
	readonly cure: string;
}

const DAY_MS = 24 * 3600 * 1000;
const PROBE_TIMEOUT_MS = 5000;

/** Every check, whether it is good or not. */
export async function checkServer(home: ServerHome, host: Host): Promise<Check[]> {
	const settings = await readJsonFile(home.settings, serverSettingsSchema);
	if (settings === undefined)
		return [{ name: "state", isGood: false, found: "never started", cure: "zk0 server start" }];
	const checks: Check[] = [];
	for (const path of [
		home.dir,
		home.authorityKey,
		home.certificateKey,
		home.admin,
		home.members,
		home.access,
	]) {
		const check = await checkPermissions(path);
		if (check !== undefined) checks.push(check);
	}
	const { security, listen, port } = settings;
	checks.push({
		name: "encryption",
		isGood: security === "tls" || isLoopback(listen),
		found: security === "tls" ? "TLS 1.3" : `plaintext on ${listen}`,
		cure: "start again without --plaintext",
	});
	if (security === "tls") {
		checks.push(await checkExpiry("certificate", home.certificate, host.now()));
		checks.push(await checkExpiry("authority", home.authority, host.now()));
		checks.push(await checkServed(home, isLoopback(listen) ? listen : "127.0.0.1", port));
	}
	checks.push({
		name: "ports",
		isGood: true,
		found: `${listen}:${port} for sites${isLoopback(listen) ? " (this machine only)" : ""}; admin on 127.0.0.1`,
		cure: "",
	});
	checks.push(...(await checkMembers(home, settings.allowFlowerNodes)));
	return checks;
}

/** The checks for people. */
export function renderChecks(checks: readonly Check[]): string {
	return checks
		.map(
			({ name, isGood, found, cure }) =>
				`${isGood ? "ok  " : "FAIL"} ${name}: ${found}${isGood ? "" : ` (${cure})`}`,
		)
		.join("\n");
}

async function checkPermissions(path: string): Promise<Check | undefined> {
	try {
		const others = (await stat(path)).mode & 0o077;
		const found = others === 0 ? "for its owner only" : `open to others (mode ${others.toString(8)})`;
		return { name: path, isGood: others === 0, found, cure: `chmod go= ${path}` };
	} catch (error) {
		if (codeOf(error) === "ENOENT") return undefined;
		throw error;
	}
}

async function checkExpiry(name: string, path: string, nowMs: number): Promise<Check> {
	const pem = await readIfThere(path);
	if (pem === undefined) return { name, isGood: false, found: `no ${path}`, cure: "zk0 server start" };
	const endMs = Date.parse(new X509Certificate(pem).validTo);
	const days = Math.floor((endMs - nowMs) / DAY_MS);
	const found = days < 0 ? `expired ${-days} days ago` : `${days} days left`;
	return { name, isGood: days > RENEW_DAYS / 2, found, cure: "restart the server to renew it" };
}

async function checkServed(home: ServerHome, host: string, port: number): Promise<Check> {
	const authority = (await readIfThere(home.authority)) ?? "";
	const name = "served chain";
	const cure = "zk0 server start, or see `zk0 server logs`";
	try {
		const fingerprint = certificateFingerprint(authority);
		await fetchAuthority({ host, port, fingerprint, timeoutMs: PROBE_TIMEOUT_MS });
		return { name, isGood: true, found: `ends at authority ${fingerprint.slice(0, 16)}`, cure };
	} catch (error) {
		if (!(error instanceof FlowerError)) throw error;
		return { name, isGood: false, found: error.message, cure };
	}
}

async function checkMembers(home: ServerHome, allowsFlowerNodes: boolean): Promise<Check[]> {
	const { members, events, head } = await readMembers(home.members);
	const unsigned = members.filter(({ signs, state }) => !signs && state !== "revoked");
	const flower = `Flower nodes are ${allowsFlowerNodes ? "let in" : "refused"}`;
	const pending = members.filter(({ state }) => state === "pending");
	return [
		{
			name: "audit log",
			isGood: true,
			found: `whole, ${events.length} lines, head ${head.slice(0, 16)}`,
			cure: "",
		},
		{
			name: "signatures",
			isGood: true,
			found: `${unsigned.length === 0 ? "every site signs" : `not signed: ${unsigned.map(({ site }) => site).join(", ")}`}; ${flower}`,
			cure: "",
		},
		{
			name: "approvals",
			isGood: pending.length === 0,
			found: pending.length === 0 ? "none pending" : `${pending.map(({ site }) => site).join(", ")} pending`,
			cure: "zk0 server approve <site> or zk0 server revoke <site>",
		},
	];
}
