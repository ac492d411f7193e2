// What this machine reaches: the hub, the server that its client joined, and what its own server needs.
import { createServer } from "node:net";
import { formatDuration } from "@zk0/records/format";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";
import type { Host } from "../host.ts";
import { type ClientHome, clientHome, type ServerHome, serverHome } from "../network/home.ts";
import { readIfThere, readJsonFile } from "../network/private-file.ts";
import { serverSettingsSchema } from "../network/server-settings.ts";
import { bad, type Finding, good } from "./finding.ts";

const HUB = "https://huggingface.co";
const TIMEOUT_MS = 5000;
const DEFAULT_PORT = 9092;
/** 99,880,992 trained numbers of four bytes. */
const FULL_UPDATE_BYTES = 4 * 99_880_992;
/** Clocks that differ by less than this harm nothing. */
const MAX_CLOCK_DIFFERENCE_MS = 5000;

/** Checks of everything beyond this machine, and of this machine's ports; `measures`: also the way to the server. */
export async function checkNetwork(
	host: Host,
	state: string | undefined,
	measures: boolean,
): Promise<Finding[]> {
	return [
		await checkHub(host),
		...(await orFinding("own server", () => checkOwnServer(serverHome(host, state), host))),
		...(await orFinding("joined server", () => checkJoinedServer(clientHome(host, state), host, measures))),
	];
}

/** A state folder that cannot be read is a finding like others. */
async function orFinding(name: string, look: () => Promise<Finding[]>): Promise<Finding[]> {
	try {
		return await look();
	} catch (error) {
		if (!(error instanceof Error) || codeOf(error) === undefined) throw error;
		const cure = error instanceof CliError ? error.cure : undefined;
		return [
			bad("error", name, error.message, cure ?? "restore its folder from a backup, or repair the file"),
		];
	}
}

async function checkHub({ env, signal }: Host): Promise<Finding> {
	const endpoint = (env["HF_ENDPOINT"] ?? "") === "" ? HUB : (env["HF_ENDPOINT"] ?? HUB);
	if (/^(1|true|yes|on)$/i.test(env["HF_HUB_OFFLINE"] ?? "")) {
		return bad("info", "hub", "not asked: HF_HUB_OFFLINE is set", "unset it to download from the hub");
	}
	const startedMs = performance.now();
	const late = new AbortController();
	const timer = setTimeout(
		() => late.abort(new RangeError(`no answer in ${TIMEOUT_MS / 1000} s`)),
		TIMEOUT_MS,
	);
	try {
		const either = AbortSignal.any([signal, late.signal]);
		await fetch(endpoint, { method: "HEAD", signal: either, redirect: "manual" });
		const token = (env["HF_TOKEN"] ?? "") === "" ? "no HF_TOKEN" : "with HF_TOKEN";
		return good("hub", `${endpoint} answers in ${(performance.now() - startedMs).toFixed(0)} ms, ${token}`);
	} catch (error) {
		signal.throwIfAborted();
		const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
		const why = cause instanceof Error ? cause.message : "?";
		const cure =
			"only hf: names need it: check network and proxy, name a mirror with HF_ENDPOINT, or use local folders";
		return bad("info", "hub", `${endpoint} cannot be reached: ${why}`, cure);
	} finally {
		clearTimeout(timer);
	}
}

/** The server of this machine, where one was started; else whether its port is free. */
async function checkOwnServer(home: ServerHome, host: Host): Promise<Finding[]> {
	const settings = await readJsonFile(home.settings, serverSettingsSchema);
	const isRunning = (await readJsonFile(home.admin, z.looseObject({}))) !== undefined;
	if (settings !== undefined && isRunning) {
		const { checkServer } = await import("../network/server-check.ts");
		const checks = await checkServer(home, host);
		const failed = checks.filter(({ isGood }) => !isGood);
		if (failed.length === 0)
			return [good("own server", `runs on port ${settings.port}, ${checks.length} checks passed`)];
		return failed.map(({ name, found, cure }) => bad("error", `own server, ${name}`, found, cure));
	}
	const { listen, port } = settings ?? { listen: "0.0.0.0", port: DEFAULT_PORT };
	const problem = await bindingProblem(listen, port);
	if (problem === null) return [good("port", `${port} is free for a server`)];
	const cure = "end the program that has it (ss -ltnp), or start the server with --port";
	return [
		bad(
			settings === undefined ? "info" : "warning",
			"port",
			`${listen}:${port} cannot be bound (${problem})`,
			cure,
		),
	];
}

/** Why an address cannot be bound, or null. */
async function bindingProblem(address: string, port: number): Promise<string | null> {
	const server = createServer();
	return await new Promise((resolve) => {
		server.once("error", (error) => resolve(codeOf(error) ?? error.message));
		server.listen(port, address, () => server.close(() => resolve(null)));
	});
}

/** The server that this machine's client joined. */
async function checkJoinedServer(home: ClientHome, machine: Host, measures: boolean): Promise<Finding[]> {
	if ((await readIfThere(home.settings)) === undefined) return [];
	const { measureUpload, probeServer, readJoined } = await import("./server-probe.ts");
	const joined = await readJoined(home);
	const { host, port, authority, site } = joined;
	const findings: Finding[] = [];
	try {
		const { roundTripMs, date } = await probeServer(joined);
		const how = authority === null ? "plaintext" : "TLS 1.3, the authority that it joined with";
		findings.push(
			good("joined server", `${host}:${port} answers ${site} in ${roundTripMs.toFixed(1)} ms, ${how}`),
		);
		if (date !== undefined) findings.push(clockFinding(Date.parse(date) - machine.now()));
	} catch (error) {
		const why = error instanceof Error ? error.message : String(error);
		const cure =
			"check that the server runs, that its port is open, and that nothing between changes certificates";
		return [bad("error", "joined server", `${host}:${port}: ${why}`, cure)];
	}
	if (!measures || joined.superlink !== null) return findings;
	try {
		const bytesPerSecond = await measureUpload(home, joined, machine);
		const update = formatDuration((FULL_UPDATE_BYTES / bytesPerSecond) * 1000);
		const rate = `${((bytesPerSecond * 8) / 1e6).toFixed(0)} Mbit/s`;
		findings.push(
			good("upload", `${rate} to the server: an update of the whole full-size policy takes ${update}`),
		);
	} catch (error) {
		const why = error instanceof Error ? error.message : String(error);
		findings.push(
			bad(
				"warning",
				"upload",
				`not measured: ${why}`,
				"see `zk0 client status`; a site must be approved first",
			),
		);
	}
	return findings;
}

/** What a difference of clocks means; positive: the server's is ahead. */
export function clockFinding(differenceMs: number): Finding {
	// The server tells whole seconds.
	const seconds = Math.round(differenceMs / 1000);
	if (Math.abs(differenceMs) <= MAX_CLOCK_DIFFERENCE_MS) return good("clock", "agrees with the server's");
	const found = `${Math.abs(seconds)} s ${seconds > 0 ? "behind" : "ahead of"} the server's`;
	return bad("error", "clock", found, "set the clock from the network: timedatectl set-ntp true");
}
