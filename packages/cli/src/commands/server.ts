// `zk0 server …`: a federation's server and what its operator does with it.

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { serverStatusSchema } from "@zk0/dashboard/status";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import type { Host } from "../host.ts";
import { callAdmin } from "../network/admin-client.ts";
import { type Daemon, startDaemon, stopDaemon } from "../network/daemon.ts";
import { LOG_OPTION, type ServerHome, STATE_OPTION, serverHome } from "../network/home.ts";
import { LIMIT_NAMES, parseLimits } from "../network/server-limits.ts";
import {
	parseCertificate,
	parseDashboard,
	resolveSettings,
	type ServerSettings,
} from "../network/server-settings.ts";
import { renderStatus } from "../network/server-status.ts";
import { LOG_OPTIONS, showLog } from "./logs.ts";

const STATE = { state: STATE_OPTION };
const nothing = z.object({});

/** The server's background process. */
function daemonOf(home: ServerHome): Daemon {
	return { role: "server", log: home.log, lock: home.lock, ready: home.admin };
}

/** `zk0 server start`. */
export const serverStart = defineCommand({
	options: {
		...STATE,
		listen: {
			kind: "text",
			schema: z.string().min(1),
			value: "<address>",
			summary: "address to bind (default: 0.0.0.0, all of this machine's)",
		},
		port: {
			kind: "number",
			schema: z.number().int().min(0).max(65_535),
			value: "<n>",
			summary: "port to bind (default: 9092, Flower's; 0: any)",
		},
		address: {
			kind: "text",
			schema: z.string().min(1),
			value: "<name>",
			summary: "name or address under which sites reach the server; it goes into certificate and invitations",
		},
		plaintext: {
			kind: "switch",
			schema: z.boolean(),
			summary: "no TLS; only with --listen on a loopback address",
		},
		allowFlowerNodes: {
			kind: "switch",
			schema: z.boolean(),
			summary: "let Flower's own nodes in, by keys that you add; their updates are not signed",
		},
		adminPort: {
			kind: "number",
			schema: z.number().int().min(0).max(65_535),
			value: "<n>",
			summary: "port of the dashboard on this machine (default: any free one, then always the same)",
		},
		dashboard: {
			kind: "text",
			schema: z.string().min(1),
			value: "<address>:<port>",
			summary:
				"serve the dashboard beyond this machine, too, over TLS with the server's certificate; off: no longer",
		},
		limit: {
			kind: "pairs",
			schema: z.record(z.string().min(1), z.string().min(1)),
			value: "<name>=<number>",
			summary: `bound on sites and strangers, repeatable and kept: ${LIMIT_NAMES.join(", ")}`,
		},
		standing: {
			kind: "text",
			schema: z.string().min(1),
			value: "<zk0.json>|off",
			summary:
				"a run that begins by itself once --min-sites clients are there, once for each content of the file",
		},
		log: LOG_OPTION,
		certificate: {
			kind: "text",
			schema: z.string().min(1),
			value: "<file>",
			summary: "certificate of your own instead of the server's: PEM, its issuers after it; off: no longer",
		},
		key: { kind: "text", schema: z.string().min(1), value: "<file>", summary: "with --certificate: its key" },
		ca: {
			kind: "text",
			schema: z.string().min(1),
			value: "<file>",
			summary: "with --certificate: the authority that sites pin (default: they trust those of their system)",
		},
		foreground: { kind: "switch", schema: z.boolean(), summary: "stay in this terminal instead" },
	},
	notes: [
		"Address and port are kept, so that a later start needs no flags. Runs that are not finished go on by themselves.",
	],
	examples: [
		"zk0 server start --address fl.example.org",
		"zk0 server start --listen 127.0.0.1 --address 127.0.0.1",
	],
	async run({ values, host, output }) {
		const home = serverHome(host, values.state);
		const changes: Partial<ServerSettings> = {
			...(values.listen === undefined ? {} : { listen: values.listen }),
			...(values.port === undefined ? {} : { port: values.port }),
			...(values.address === undefined ? {} : { address: values.address }),
			...(values.allowFlowerNodes === undefined ? {} : { allowFlowerNodes: values.allowFlowerNodes }),
			...(values.adminPort === undefined ? {} : { adminPort: values.adminPort }),
			...(values.dashboard === undefined ? {} : { dashboard: parseDashboard(values.dashboard) }),
			...(values.plaintext === undefined ? {} : { security: values.plaintext ? "plaintext" : "tls" }),
			...(values.limit === undefined ? {} : { limits: parseLimits(values.limit) }),
			...parseCertificate(values, host.cwd),
			...(values.standing === undefined ? {} : { standing: await readStanding(values.standing, host.cwd) }),
		};
		if (values.foreground === true) {
			const { serveFederation } = await import("../network/server-process.ts");
			return await serveFederation(home, changes, { host, output, logForm: values.log });
		}
		await resolveSettings(home, changes);
		const words = Object.entries({
			listen: values.listen,
			port: values.port,
			address: values.address,
			"admin-port": values.adminPort,
			dashboard: values.dashboard,
			log: values.log,
			certificate: changes.certificate === null ? "off" : changes.certificate?.certificate,
			key: changes.certificate?.key,
			ca: changes.certificate?.ca ?? undefined,
			standing: changes.standing === null ? "off" : values.standing && resolve(host.cwd, values.standing),
		}).flatMap(([flag, value]) => (value === undefined ? [] : [`--${flag}`, String(value)]));
		const limits = Object.entries(values.limit ?? {}).flatMap(([name, value]) => [
			"--limit",
			`${name}=${value}`,
		]);
		const switches = Object.entries({
			plaintext: values.plaintext,
			"allow-flower-nodes": values.allowFlowerNodes,
		}).flatMap(([flag, value]) => (value === undefined ? [] : [value ? `--${flag}` : `--no-${flag}`]));
		const pid = await startDaemon(
			daemonOf(home),
			["server", "start", "--foreground", "--state", home.dir, ...words, ...limits, ...switches],
			host.signal,
		);
		const status = await statusOf(home, host);
		output.result({ pid, ...status }, () =>
			[`started, process ${pid}`, renderStatus(status), `log ${home.log}`].join("\n"),
		);
	},
});

/** The settings of a standing run. @throws CliError "bad-config" */
async function readStanding(path: string, cwd: string): Promise<ServerSettings["standing"]> {
	if (path === "off") return null;
	const { readConfigFile } = await import("../config/config-file.ts");
	const { minSites = 1, ...settings } = await readConfigFile(resolve(cwd, path));
	return JSON.parse(JSON.stringify({ ...settings, minSites, sites: minSites }));
}

/** `zk0 server stop`. */
export const serverStop = defineCommand({
	options: STATE,
	async run({ values, host, output }) {
		const pid = await stopDaemon(daemonOf(serverHome(host, values.state)), host.signal);
		output.result({ pid }, () => "stopped");
	},
});

/** `zk0 server status` and `zk0 status`. */
export const serverStatus = defineCommand({
	options: STATE,
	async run({ values, host, output }) {
		const status = await statusOf(serverHome(host, values.state), host);
		output.result(status, () => renderStatus(status));
	},
});

/** `zk0 server logs`. */
export const serverLogs = defineCommand({
	options: {
		...LOG_OPTIONS,
		audit: {
			kind: "switch",
			schema: z.boolean(),
			summary:
				"show who joined, was let in, and was turned away and why, from a log in which every change shows",
		},
	},
	examples: ["zk0 server logs --follow", "zk0 server logs --audit"],
	async run({ values, host, output }) {
		const home = serverHome(host, values.state);
		if (values.audit !== true) return await showLog(home.log, values.follow === true, { host, output });
		const { readAudit } = await import("../network/audit-text.ts");
		const { events, lines } = await readAudit(home.members);
		output.result({ events }, () => lines.join("\n"));
	},
});

/** `zk0 server invite`. */
export const serverInvite = defineCommand({
	options: {
		...STATE,
		name: {
			kind: "text",
			schema: z.string().min(1),
			value: "<site>",
			summary: "the site's name; without it, the site chooses",
		},
	},
	notes: ["Whoever has the line can join with it once: send it as you would send a password."],
	examples: ["zk0 server invite --name kitchen"],
	async run({ values, host, output }) {
		const { invitation } = await callAdmin(
			serverHome(host, values.state),
			{ method: "POST", path: "/invitations", body: { site: values.name ?? null } },
			z.object({ invitation: z.string() }),
			host.signal,
		);
		output.result({ invitation }, () => invitation);
	},
});

/** `zk0 server add`. */
export const serverAdd = defineCommand({
	positionals: [
		{ name: "site", summary: "the name that the node gets" },
		{ name: "key", summary: "its public key: the .pub file of ssh-keygen -t ecdsa -b 384, or PEM" },
	],
	options: STATE,
	notes: [
		"A zk0 site joins by invitation and signs its updates. A Flower SuperNode cannot sign; it is marked everywhere.",
		"The node runs: flower-supernode --superlink <address> --root-certificates <authority.pem of the server's state> " +
			"--auth-supernode-private-key <key>",
	],
	examples: ["zk0 server add hall hall.pub"],
	async run({ values, named, host, output }) {
		const site = named["site"] ?? "";
		const publicKey = await readFile(resolve(host.cwd, named["key"] ?? ""), "utf8");
		const request = { method: "POST", path: "/members/add", body: { site, publicKey } } as const;
		await callAdmin(serverHome(host, values.state), request, nothing, host.signal);
		output.result({ site, signs: false }, () => `${site} is added; its updates will not be signed`);
	},
});

/** `zk0 server approve <site>` and `zk0 server revoke <site>`. */
function memberCommand(verb: "approve" | "revoke", done: string) {
	return defineCommand({
		positionals: [{ name: "site", summary: "the site's name" }],
		options: STATE,
		async run({ values, named, host, output }) {
			const site = named["site"] ?? "";
			const request = { method: "POST", path: `/members/${verb}`, body: { site } } as const;
			await callAdmin(serverHome(host, values.state), request, nothing, host.signal);
			output.result({ site, state: done }, () => `${site} is ${done}`);
		},
	});
}

/** `zk0 server approve`. */
export const serverApprove = memberCommand("approve", "approved");
/** `zk0 server revoke`. */
export const serverRevoke = memberCommand("revoke", "revoked");

/** `zk0 server check`. */
export const serverCheck = defineCommand({
	options: STATE,
	async run({ values, host, output }) {
		const { checkServer, renderChecks } = await import("../network/server-check.ts");
		const checks = await checkServer(serverHome(host, values.state), host);
		const failed = checks.filter(({ isGood }) => !isGood);
		output.result({ checks }, () => renderChecks(checks));
		if (failed.length > 0)
			throw new CliError("check-failed", `${failed.length} of ${checks.length} checks failed`, {
				cure: failed.map(({ cure }) => cure).join("; "),
			});
	},
});

async function statusOf(home: ServerHome, host: Host) {
	return await callAdmin(home, { method: "GET", path: "/status" }, serverStatusSchema, host.signal);
}
