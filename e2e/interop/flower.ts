// Runs Flower's own programs for the interoperability tests. ZK0_FLWR names the folder with its commands: the bin folder
// of an environment with `pip install flwr`, or what tools/flower/interop.ts makes of a checkout.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { createCertificateAuthority, issueServerCertificate } from "@zk0/flower/node";
import { z } from "zod";
import { type Running, startProgram } from "../zk0.ts";

/** The toy app that Flower's processes run. */
export const TOY_APP: string = join(import.meta.dirname, "flower-client-app");

const COMMANDS = process.env["ZK0_FLWR"] ?? "";

/** Starts one of Flower's commands; its home is `cwd/flower-home`. */
export function startFlower(command: string, words: readonly string[], cwd: string): Running {
	return startProgram(join(COMMANDS, command), words, {
		cwd,
		env: {
			PATH: `${COMMANDS}${delimiter}${process.env["PATH"] ?? ""}`,
			FLWR_HOME: join(cwd, "flower-home"),
			FLWR_TELEMETRY_ENABLED: "0",
			NO_COLOR: "1",
		},
	});
}

/** A free port on the loopback address; Flower's commands do not choose one themselves. */
export async function freePort(): Promise<number> {
	const server = createServer();
	await new Promise<void>((resolve) => {
		server.listen(0, "127.0.0.1", resolve);
	});
	const address = server.address();
	await new Promise<void>((resolve) => {
		server.close(() => resolve());
	});
	return typeof address === "object" && address !== null ? address.port : 0;
}

/** An ECDSA key as an operator makes it: `<path>` and `<path>.pub`. */
export function makeKey(path: string): void {
	const words = ["-q", "-t", "ecdsa", "-b", "384", "-N", "", "-f", path];
	const { status } = spawnSync("ssh-keygen", words);
	if (status !== 0) throw new RangeError(`ssh-keygen ended with ${status}`);
}

/** A SuperNode with its own ClientAppIo port. */
export async function startSuperNode(
	name: string,
	{
		cwd,
		superlink,
		authority,
		key,
	}: { cwd: string; superlink: string; authority: string; key: string | null },
): Promise<Running> {
	const words = [
		["--superlink", superlink],
		["--root-certificates", authority],
		["--clientappio-api-address", `127.0.0.1:${await freePort()}`],
		["--node-config", `name="${name}"`],
		...(key === null ? [] : [["--auth-supernode-private-key", key]]),
	];
	return startFlower("flower-supernode", words.flat(), cwd);
}

/** A real SuperLink over TLS with node authentication, and `flwr` to command it. */
export interface SuperLink {
	readonly process: Running;
	/** Addresses of its APIs. */
	readonly fleet: string;
	readonly serverAppIo: string;
	/** A file with the PEM of its authority. */
	readonly authority: string;
	/** Runs `flwr` to its end. @throws RangeError when it fails */
	flwr(...words: string[]): Promise<string>;
}

/** Starts a SuperLink in `cwd`; with isolation "process" somebody else runs the ServerApps. */
export async function startSuperLink(
	cwd: string,
	{ isolation }: { readonly isolation: "subprocess" | "process" },
): Promise<SuperLink> {
	const day = 24 * 3600 * 1000;
	const validity = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + day) };
	const authority = await createCertificateAuthority({ commonName: "interop", ...validity });
	const issued = await issueServerCertificate(authority, { hosts: ["127.0.0.1", "localhost"], ...validity });
	const file = async (name: string, text: string): Promise<string> => {
		await writeFile(join(cwd, name), text);
		return join(cwd, name);
	};
	const ca = await file("ca.crt", authority.certificate);
	const [fleet, control, serverAppIo] = await Promise.all(
		[1, 2, 3].map(async () => `127.0.0.1:${await freePort()}`),
	);
	const words = [
		["--ssl-certfile", await file("superlink.crt", issued.certificateChain)],
		["--ssl-keyfile", await file("superlink.key", issued.privateKey)],
		["--ssl-ca-certfile", ca],
		["--fleet-api-address", fleet ?? ""],
		["--control-api-address", control ?? ""],
		["--serverappio-api-address", serverAppIo ?? ""],
		["--isolation", isolation],
	];
	await mkdir(join(cwd, "flower-home"), { recursive: true });
	const connection = `[superlink.here]\naddress = "${control}"\nroot-certificates = "${ca}"\n`;
	await file("flower-home/config.toml", `[superlink]\ndefault = "here"\n${connection}`);
	const process = startFlower("flower-superlink", ["--enable-supernode-auth", ...words.flat()], cwd);
	await process.printed("Starting Control API");
	return {
		process,
		fleet: fleet ?? "",
		serverAppIo: serverAppIo ?? "",
		authority: ca,
		async flwr(...command) {
			const { code, stdout, stderr } = await startFlower("flwr", command, cwd).finished;
			if (code !== 0) throw new RangeError(`flwr ${command.join(" ")}:\n${stdout}\n${stderr}`);
			return stdout;
		},
	};
}

/** Ends processes and waits for them. */
export async function end(processes: Iterable<Running>): Promise<void> {
	for (const { child, finished } of processes) {
		child.kill("SIGTERM");
		const patience = setTimeout(() => child.kill("SIGKILL"), 10_000);
		await finished;
		clearTimeout(patience);
	}
}

const lineSchema = z.object({ event: z.looseObject({ kind: z.string() }) });

/** Waits until an event of a kind is in a log. */
export async function untilEvent(path: string, kind: string, patienceMs = 120_000): Promise<void> {
	for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += 100) {
		if (existsSync(path) && eventsOf(path).some((event) => event.kind === kind)) return;
		await new Promise((resolve) => {
			setTimeout(resolve, 100);
		});
	}
	throw new RangeError(`${path} has no ${kind} after ${patienceMs} ms`);
}

/** The events of a log, as written. */
export function eventsOf(path: string): (Record<string, unknown> & { readonly kind: string })[] {
	const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
	return lines.map((line) => lineSchema.parse(JSON.parse(line)).event);
}
