// `zk0 service install|uninstall|status`: a server or a client that the machine's systemd keeps running.
import { resolve } from "node:path";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import type { Host } from "../host.ts";
import { clientHome, STATE_OPTION, serverHome } from "../network/home.ts";
import { installService, serviceState, uninstallService, unitPath } from "../service/systemd.ts";
import { type ServiceRole, type ServiceScope, systemState, unitText } from "../service/unit.ts";

const ROLE = { name: "role", summary: "server or client" };
const SYSTEM = {
	system: {
		kind: "switch" as const,
		schema: z.boolean(),
		summary: "for the whole machine (needs root) instead of for this user",
	},
};

function roleOf(word: string | undefined): ServiceRole {
	if (word === "server" || word === "client") return word;
	throw new CliError("bad-flag", `a service is server or client, not "${word ?? ""}"`);
}

function scopeOf(system: boolean | undefined): ServiceScope {
	return system === true ? "system" : "user";
}

/** `zk0 service install`. */
export const serviceInstall = defineCommand({
	positionals: [ROLE],
	options: {
		...SYSTEM,
		state: STATE_OPTION,
		print: { kind: "switch", schema: z.boolean(), summary: "print the unit and change nothing" },
	},
	notes: [
		"Configure first: `zk0 server start …` and `zk0 server stop`, or `zk0 client join …`, with the same --state. A user's services end when the user logs out, unless `loginctl enable-linger` was run once.",
		"A system service keeps its state in /var/lib/zk0-<role> and runs as a user of its own, which cannot read recordings in private home folders.",
	],
	examples: ["zk0 service install client", "sudo zk0 service install server --system"],
	async run({ values, named, host, output }) {
		const role = roleOf(named["role"]);
		const scope = scopeOf(values.system);
		if (scope === "system" && values.state !== undefined)
			throw new CliError("bad-flag", `a system service keeps its state in ${systemState(role)}`, {
				cure: "leave --state out, or install for this user",
			});
		const state = scope === "system" ? systemState(role) : stateOf(role, values.state, host);
		const [, main = ""] = process.argv;
		const command = [process.execPath, resolve(host.cwd, main)] as const;
		const options = { role, scope, command, state };
		if (values.print === true) {
			const unit = unitText(options);
			return output.result({ path: unitPath(role, scope, host), unit }, () => unit.trimEnd());
		}
		const path = await installService(options, host);
		output.result({ path }, () => `installed and started: ${path}\nsee: zk0 service status ${role}`);
	},
});

function stateOf(role: ServiceRole, state: string | undefined, host: Host): string {
	return role === "server" ? serverHome(host, state).dir : clientHome(host, state).dir;
}

/** `zk0 service uninstall`. */
export const serviceUninstall = defineCommand({
	positionals: [ROLE],
	options: SYSTEM,
	notes: ["Keys, members and runs stay where they are."],
	async run({ values, named, host, output }) {
		const path = await uninstallService(roleOf(named["role"]), scopeOf(values.system), host);
		output.result({ path }, () => `stopped and removed: ${path}`);
	},
});

/** `zk0 service status`. */
export const serviceStatus = defineCommand({
	positionals: [ROLE],
	options: SYSTEM,
	async run({ values, named, host, output }) {
		const found = await serviceState(roleOf(named["role"]), scopeOf(values.system), host);
		output.result(found, () => {
			const { unit, isInstalled, state, pid, numRestarts } = found;
			if (!isInstalled) return `${unit} is not installed`;
			const process = pid === null ? "" : `, process ${pid}`;
			const restarts = numRestarts === null || numRestarts === 0 ? "" : `, restarted ${numRestarts} times`;
			return `${unit} is ${state}${process}${restarts}`;
		});
	},
});
