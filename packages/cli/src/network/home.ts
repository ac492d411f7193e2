// Where a server and a client keep what lasts: folders that only their owner may read.
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import type { OptionSpec } from "../arguments/option.ts";
import type { Host } from "../host.ts";

/** The paths of a server. */
export interface ServerHome {
	readonly dir: string;
	/** Address and port, as the first start chose them. */
	readonly settings: string;
	/** The authority's certificate and key. */
	readonly authority: string;
	readonly authorityKey: string;
	/** The authority that is announced; there until the server changes to it. */
	readonly nextAuthority: string;
	readonly certificate: string;
	readonly certificateKey: string;
	/** Where the admin API listens and its token; there while the server runs. */
	readonly admin: string;
	readonly members: string;
	/** Where alerts are sent. */
	readonly alerts: string;
	/** People who may use the dashboard, and what they did. */
	readonly access: string;
	readonly runs: string;
	/** App bundles for Flower's nodes, by their hash, from `zk0 run` to the run's own folder. */
	readonly apps: string;
	readonly lock: string;
	readonly log: string;
}

/** The paths of a client. */
export interface ClientHome {
	readonly dir: string;
	readonly settings: string;
	readonly key: string;
	/** Weights and updates on their way. */
	readonly work: string;
	/** Models that runs started from. */
	readonly models: string;
	/** What the site keeps between rounds. */
	readonly siteState: string;
	/** Joint weights of the last rounds, to look at. */
	readonly rounds: string;
	readonly status: string;
	/** What the client writes down of its work, for the site's page. */
	readonly activity: string;
	readonly lock: string;
	readonly log: string;
}

/** `--state`, as every command of a server or a client has it. */
export const STATE_OPTION = {
	kind: "text",
	schema: z.string().min(1),
	value: "<dir>",
	summary: "folder that holds keys and state (default: ~/.zk0/server or ~/.zk0/client, or under $ZK0_HOME)",
} satisfies OptionSpec;

/** `--log`, as the commands have it that start a process. */
export const LOG_OPTION = {
	kind: "text",
	schema: z.enum(["text", "json"]),
	value: "<form>",
	summary: "text for people or json for programs (default: text on a terminal, json elsewhere)",
} satisfies OptionSpec;

/** The server's paths in `state` or the default folder. */
export function serverHome(host: Host, state: string | undefined): ServerHome {
	const dir = homeOf(host, state, "server");
	const at = (name: string): string => join(dir, name);
	return {
		dir,
		settings: at("server.json"),
		authority: at("authority.pem"),
		authorityKey: at("authority.key"),
		nextAuthority: at("next-authority.json"),
		certificate: at("server.pem"),
		certificateKey: at("server.key"),
		admin: at("admin.json"),
		members: at("members.jsonl"),
		alerts: at("alerts.json"),
		access: at("access.jsonl"),
		runs: at("runs"),
		apps: at("apps"),
		lock: at("server.lock"),
		log: at("server.log"),
	};
}

/** The client's paths in `state` or the default folder. */
export function clientHome(host: Host, state: string | undefined): ClientHome {
	const dir = homeOf(host, state, "client");
	const at = (name: string): string => join(dir, name);
	return {
		dir,
		settings: at("client.json"),
		key: at("node.key"),
		work: at("work"),
		models: at("models"),
		siteState: at("site-state"),
		rounds: at("rounds"),
		status: at("status.json"),
		activity: at("activity.json"),
		lock: at("client.lock"),
		log: at("client.log"),
	};
}

/** Makes a folder that only its owner may open. */
export async function makePrivateFolder(dir: string): Promise<void> {
	await mkdir(dir, { recursive: true, mode: 0o700 });
}

function homeOf({ cwd, env }: Host, state: string | undefined, role: "server" | "client"): string {
	if (state !== undefined) return resolve(cwd, state);
	const home = env["ZK0_HOME"] ?? "";
	return join(home === "" ? join(homedir(), ".zk0") : home, role);
}
