// The security self-check of a server's state folder and of what it serves, without trusting the running process.
import { readMembers } from "@zk0/federation";
import type { Host } from "../host.ts";
import { adminFileSchema } from "./admin-client.ts";
import { checkFiles } from "./check-files.ts";
import { checkPorts } from "./check-ports.ts";
import { checkTrust } from "./check-trust.ts";
import type { ServerHome } from "./home.ts";
import { readJsonFile } from "./private-file.ts";
import type { ServerLimits } from "./server-limits.ts";
import { serverSettingsSchema } from "./server-settings.ts";

/** One check. */
export interface Check {
	readonly name: string;
	readonly isGood: boolean;
	readonly found: string;
	/** What to do when it is not good. */
	readonly cure: string;
}

/** Every check, whether it is good or not. */
export async function checkServer(home: ServerHome, host: Host): Promise<Check[]> {
	const settings = await readJsonFile(home.settings, serverSettingsSchema);
	if (settings === undefined)
		return [{ name: "state", isGood: false, found: "never started", cure: "zk0 server start" }];
	const checks: Check[] = [
		await checkFiles(home.dir, [
			home.authorityKey,
			home.nextAuthority,
			home.certificateKey,
			home.admin,
			home.members,
			home.access,
		]),
	];
	checks.push(...(await checkTrust(home, settings, host.now())));
	checks.push(...(await checkPorts(settings, await readJsonFile(home.admin, adminFileSchema))));
	checks.push(checkLimits(settings.limits));
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

/** Limits above these protect no more. */
const GENEROUS: Required<ServerLimits> = {
	runs: 100,
	connections: 50_000,
	connectionsPerAddress: 20_000,
	newConnectionsPerSecond: 1000,
	callsPerConnection: 1000,
	callsPerSecond: 20_000,
	strangerCallsPerSecond: 1000,
	mibInFlight: 4096,
	mibInFlightPerSite: 2048,
	secondsPerMessage: 1800,
};

function checkLimits(limits: ServerLimits): Check {
	const bounds = new Map(Object.entries(GENEROUS));
	const given = Object.entries(limits).flatMap(([name, value]) =>
		value === undefined ? [] : [{ name, value }],
	);
	const weak = given.filter(({ name, value }) => value > (bounds.get(name) ?? value));
	const set = given.map(({ name, value }) => `${name}=${value}`);
	return {
		name: "limits",
		isGood: weak.length === 0,
		found: set.length === 0 ? "the defaults" : set.join(", "),
		cure: `lower ${weak.map(({ name }) => name).join(", ")}: zk0 server start --limit <name>=<number>`,
	};
}
