// Processes in the background: starting one and waiting until it is ready, stopping it, showing its log.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { isProcessAlive } from "@zk0/arrays/node";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";
import { makePrivateFolder } from "./home.ts";
import { openLineTail } from "./line-tail.ts";
import { readIfThere, readJsonFile } from "./private-file.ts";

/** Recordings may have to be downloaded, and long logs verified. */
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 60_000;
const POLL_MS = 50;
const LOG_TAIL_LINES = 200;

const holderSchema = z.object({ pid: z.int() });

/** A background process and the files by which it is known. */
export interface Daemon {
	/** `server` or `client`. */
	readonly role: string;
	/** Its output goes here. */
	readonly log: string;
	/** Names its process while it runs. */
	readonly lock: string;
	/** Appears with its process id when it is ready. */
	readonly ready: string;
}

/** The process that runs on this machine now, if any. */
export async function runningPid({ lock }: Daemon): Promise<number | undefined> {
	const { holderOf } = await import("@zk0/records");
	const holder = await holderOf(lock);
	return holder?.host === hostname() ? holder.pid : undefined;
}

/**
 * Starts `zk0 <words>` in the background and waits until it is ready. One that takes long goes on starting; one that is not
 * wanted any more (Ctrl-C) is stopped again.
 * @throws CliError "start-failed" with what it logged; "interrupted"
 */
export async function startDaemon(
	daemon: Daemon,
	words: readonly string[],
	signal: AbortSignal,
): Promise<number> {
	const { role, log, ready } = daemon;
	const earlier = await runningPid(daemon);
	if (earlier !== undefined)
		throw new CliError("start-failed", `the ${role} runs already, as process ${earlier}`, {
			cure: `see \`zk0 ${role} status\``,
		});
	await makePrivateFolder(dirname(log));
	const said = openLineTail(log, await sizeOf(log));
	const file = await open(log, "a", 0o600);
	const [, main = ""] = process.argv;
	const child = spawn(process.execPath, [...process.execArgv, main, ...words], {
		detached: true,
		stdio: ["ignore", file.fd, file.fd],
	});
	await file.close();
	const over = new AbortController();
	child.once("exit", () => over.abort());
	for (let waitedMs = 0; waitedMs < START_TIMEOUT_MS && !over.signal.aborted; waitedMs += POLL_MS) {
		if (signal.aborted) {
			child.kill();
			throw new CliError("interrupted", `stopped; the ${role} is not started`, { cause: signal.reason });
		}
		const found = await readJsonFile(ready, holderSchema);
		if (found !== undefined && found.pid === child.pid) {
			child.unref();
			return found.pid;
		}
		await pause();
	}
	const { renderLogLine } = await import("@zk0/monitor/log");
	const last = (await said.read()).map(renderLogLine).slice(-3).join(" ");
	const text = last === "" ? "" : `: ${last}`;
	if (!over.signal.aborted) {
		child.unref();
		throw new CliError("start-failed", `the ${role} is not ready yet, as process ${child.pid}${text}`, {
			cure: `it goes on starting: see ${log}; end it with \`zk0 ${role} stop\``,
		});
	}
	const end = child.signalCode ?? `exit code ${child.exitCode}`;
	throw new CliError("start-failed", `the ${role} did not start (${end})${text}`, { cure: `see ${log}` });
}

/** Asks the process to stop and waits until it has. @throws CliError "not-running" */
export async function stopDaemon(daemon: Daemon, signal: AbortSignal): Promise<number> {
	const pid = await runningPid(daemon);
	if (pid === undefined) throw new CliError("not-running", `no ${daemon.role} runs from this folder`);
	askToStop(pid);
	for (let waitedMs = 0; waitedMs < STOP_TIMEOUT_MS && isProcessAlive(pid); waitedMs += POLL_MS) {
		signal.throwIfAborted();
		await pause();
	}
	if (isProcessAlive(pid))
		throw new CliError("not-running", `process ${pid} is still stopping`, {
			cure: `try again in a minute, or end it with kill -9 ${pid}: it goes on where it was at its next start`,
		});
	return pid;
}

/** Sends SIGTERM; a process that has just ended needs none. */
export function askToStop(pid: number): void {
	try {
		process.kill(pid, "SIGTERM");
	} catch (error) {
		if (codeOf(error) !== "ESRCH") throw error;
	}
}

/** The last lines of a log; none when there is no log yet. */
export async function tailOf(log: string, numLines: number = LOG_TAIL_LINES): Promise<string[]> {
	const text = await readIfThere(log);
	return text === undefined ? [] : text.trimEnd().split("\n").slice(-numLines);
}

/** Lines that are added to a log from now on, until the signal aborts. */
export async function* followLog(log: string, signal: AbortSignal): AsyncGenerator<string> {
	const tail = openLineTail(log, await sizeOf(log));
	while (!signal.aborted) {
		yield* await tail.read();
		await pause(500);
	}
}

/** Bytes of a file; 0 when it is not there. */
async function sizeOf(path: string): Promise<number> {
	return existsSync(path) ? (await stat(path)).size : 0;
}

function pause(durationMs: number = POLL_MS): Promise<void> {
	return new Promise((resolve) => {
		setTimeout(resolve, durationMs);
	});
}
