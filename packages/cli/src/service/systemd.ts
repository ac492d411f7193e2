// Installs, removes and looks at units with systemctl.
import { spawn } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";
import type { Host } from "../host.ts";
import { readIfThere } from "../network/private-file.ts";
import { type ServiceRole, type ServiceScope, type UnitOptions, unitName, unitText } from "./unit.ts";

/** What systemd says of a service. */
export interface ServiceState {
	readonly unit: string;
	readonly isInstalled: boolean;
	/** `active`, `inactive`, `failed`, … */
	readonly state: string;
	readonly pid: number | null;
	readonly numRestarts: number | null;
}

/** Where the unit of a service lies. */
export function unitPath(role: ServiceRole, scope: ServiceScope, { env }: Host): string {
	if (scope === "system") return join("/etc/systemd/system", unitName(role));
	const config = env["XDG_CONFIG_HOME"] ?? "";
	return join(config === "" ? join(homedir(), ".config") : config, "systemd", "user", unitName(role));
}

/** Writes the unit, starts it, and has it started at boot. @throws CliError "service-failed" */
export async function installService(options: UnitOptions, host: Host): Promise<string> {
	const { role, scope } = options;
	const path = unitPath(role, scope, host);
	const [before, text] = [await readIfThere(path), unitText(options)];
	await mkdir(dirname(path), { recursive: true });
	await writeFile(path, text, { mode: 0o644 });
	await systemctl(scope, ["daemon-reload"], host);
	await systemctl(scope, ["enable", "--now", unitName(role)], host);
	// What runs by another unit has not become what this one says.
	if (before !== undefined && before !== text) await systemctl(scope, ["restart", unitName(role)], host);
	return path;
}

/** Stops the service and takes its unit away; its state stays. @throws CliError "service-failed" */
export async function uninstallService(role: ServiceRole, scope: ServiceScope, host: Host): Promise<string> {
	const path = unitPath(role, scope, host);
	await systemctl(scope, ["disable", "--now", unitName(role)], host);
	await rm(path, { force: true });
	await systemctl(scope, ["daemon-reload"], host);
	return path;
}

/** How a service is. @throws CliError "service-failed" without systemd */
export async function serviceState(
	role: ServiceRole,
	scope: ServiceScope,
	host: Host,
): Promise<ServiceState> {
	const names = ["LoadState", "ActiveState", "MainPID", "NRestarts"];
	const text = await systemctl(scope, ["show", unitName(role), `--property=${names.join(",")}`], host);
	const found = new Map(
		text.split("\n").map((line): [string, string] => {
			const at = line.indexOf("=");
			return [line.slice(0, at), line.slice(at + 1)];
		}),
	);
	const number = (name: string): number | null => {
		const value = Number(found.get(name));
		return found.has(name) && Number.isInteger(value) ? value : null;
	};
	const pid = number("MainPID");
	return {
		unit: unitName(role),
		isInstalled: found.get("LoadState") === "loaded",
		state: found.get("ActiveState") ?? "unknown",
		pid: pid === 0 ? null : pid,
		numRestarts: number("NRestarts"),
	};
}

/** Runs systemctl and gives what it printed. */
async function systemctl(scope: ServiceScope, words: readonly string[], host: Host): Promise<string> {
	const args = [...(scope === "user" ? ["--user"] : []), ...words];
	const child = spawn("systemctl", args, { env: { ...host.env }, stdio: ["ignore", "pipe", "pipe"] });
	const text = { out: "", err: "" };
	child.stdout.setEncoding("utf8").on("data", (part: string) => {
		text.out += part;
	});
	child.stderr.setEncoding("utf8").on("data", (part: string) => {
		text.err += part;
	});
	const code = await new Promise<number | null>((resolve, reject) => {
		child.once("error", reject);
		child.once("close", resolve);
	}).catch((cause: unknown) => {
		const why = codeOf(cause) === "ENOENT" ? "this machine has no systemctl" : "systemctl cannot be run";
		throw failed(why, cause);
	});
	if (code !== 0) throw failed(`systemctl ${args.join(" ")}: ${text.err.trim() || `exit ${code}`}`);
	return text.out;
}

function failed(why: string, cause?: unknown): CliError {
	return new CliError("service-failed", why, {
		cure: "`zk0 service install <role> --print` shows the unit for another machine; in containers see deploy/; system services need root (sudo)",
		cause,
	});
}
