// The client as a background process: what it is known by, starting it and stopping it.
import { type Daemon, startDaemon, stopDaemon } from "./daemon.ts";
import type { ClientHome } from "./home.ts";

/** What a start may change; kept by the client. */
export interface ClientStartWords {
	readonly log?: string | undefined;
	readonly hours?: string | undefined;
	readonly accept?: string | undefined;
	readonly clipNorm?: number | undefined;
	readonly threads?: number | undefined;
	/** Bytes. */
	readonly maxMemory?: number | "off" | undefined;
	/** Other recordings than at joining. */
	readonly dataset?: string | undefined;
}

/** The client's background process. */
export function clientDaemon(home: ClientHome): Daemon {
	return { role: "client", log: home.log, lock: home.lock, ready: home.status };
}

/** Starts the client of `home` in the background. @returns its process id @throws CliError "start-failed" */
export function startClient(home: ClientHome, words: ClientStartWords, signal: AbortSignal): Promise<number> {
	const { log, hours, accept, clipNorm, threads, maxMemory, dataset } = words;
	return startDaemon(
		clientDaemon(home),
		[
			"client",
			"start",
			"--foreground",
			"--state",
			home.dir,
			...(log === undefined ? [] : ["--log", log]),
			...(hours === undefined ? [] : ["--hours", hours]),
			...(accept === undefined ? [] : ["--accept", accept]),
			...(clipNorm === undefined ? [] : ["--clip-norm", String(clipNorm)]),
			...(threads === undefined ? [] : ["--threads", String(threads)]),
			...(maxMemory === undefined ? [] : ["--max-memory", String(maxMemory)]),
			...(dataset === undefined ? [] : [dataset]),
		],
		signal,
	);
}

/** Asks the client of `home` to stop and waits until it has. @throws CliError "not-running" */
export function stopClient(home: ClientHome, signal: AbortSignal): Promise<number> {
	return stopDaemon(clientDaemon(home), signal);
}
