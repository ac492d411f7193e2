// The recordings of simulated sites: from the cache, or made by child processes, a few at a time.
import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { formatSimUri, type SimSource } from "@zk0/sim";
import { CliError } from "../cli-error.ts";
import { type RecordTask, recordMessageSchema } from "./record-protocol.ts";
import { cachedRecording } from "./recording-cache.ts";

/** Recordings that run at the same time. */
const NUM_PROCESSES = 2;

/** A site to record. */
export interface SimulatedSite {
	readonly site: string;
	readonly source: SimSource;
}

/** How to record. */
export interface RecordSitesOptions {
	readonly cacheDir: string;
	readonly codec: RecordTask["codec"];
	/** Called with 0 when a recording begins and after every episode; not called for recordings that are there. */
	readonly onEpisode: (site: string, numDone: number, numEpisodes: number) => void;
	readonly signal: AbortSignal;
}

/**
 * The dataset directory of every site, by site name.
 * @throws CliError "recording-failed" with the reason of the first failure, "not-installed" where an optional
 *   package is missing; the others are stopped.
 */
export async function recordSites(
	sites: readonly SimulatedSite[],
	options: RecordSitesOptions,
): Promise<Map<string, string>> {
	const recorder = await recorderFingerprint();
	const stop = new AbortController();
	const signal = AbortSignal.any([options.signal, stop.signal]);
	const queue = sites.values();
	const dirs = new Map<string, string>();
	const work = async (): Promise<void> => {
		for (const { site, source } of queue) {
			const { cacheDir, codec } = options;
			const recipe = JSON.stringify({ uri: formatSimUri(source), codec, recorder });
			const { dir } = await cachedRecording({
				cacheDir,
				recipe,
				make: (target) => recordInChild({ dir: target, codec, source }, { ...options, site, signal }),
			});
			dirs.set(site, dir);
		}
	};
	const workers = await Promise.allSettled(
		Array.from({ length: NUM_PROCESSES }, async () => {
			try {
				await work();
			} catch (error) {
				stop.abort(error);
				throw error;
			}
		}),
	);
	options.signal.throwIfAborted();
	const failure = workers.find((worker) => worker.status === "rejected");
	if (failure !== undefined) throw stop.signal.reason ?? failure.reason;
	return dirs;
}

async function recordInChild(
	task: RecordTask,
	context: { readonly site: string; readonly signal: AbortSignal } & Pick<RecordSitesOptions, "onEpisode">,
): Promise<void> {
	const { site, signal, onEpisode } = context;
	signal.throwIfAborted();
	onEpisode(site, 0, task.source.episodes);
	const file = "record-process.js";
	const entry = new URL(
		import.meta.url.endsWith(".ts") ? `../../dist/recordings/${file}` : `./${file}`,
		import.meta.url,
	);
	const child = fork(fileURLToPath(entry), [JSON.stringify(task)], {
		stdio: ["ignore", "ignore", "inherit", "ipc"],
		execArgv: [],
	});
	const stop = (): void => void child.kill("SIGKILL");
	signal.addEventListener("abort", stop, { once: true });
	try {
		await new Promise<void>((resolve, reject) => {
			let outcome: { failure: string | null; code: string } | undefined;
			child.on("message", (json) => {
				const message = recordMessageSchema.parse(json);
				if (message.kind === "episode") onEpisode(site, message.numDone, task.source.episodes);
				else if (message.kind === "done") outcome = { failure: null, code: "" };
				else outcome = { failure: message.message, code: message.code };
			});
			child.on("error", reject);
			// "exit" may come before the last message; "close" comes when the channel is read to its end, too.
			child.on("close", (exitCode, killedBy) => {
				if (signal.aborted) reject(signal.reason);
				else if (outcome?.failure === null) resolve();
				else
					reject(
						recordingFailed(site, outcome ?? { failure: `its process ended with ${exitCode ?? killedBy}` }),
					);
			});
		});
	} finally {
		signal.removeEventListener("abort", stop);
	}
}

function recordingFailed(
	site: string,
	{ failure, code }: { readonly failure: string | null; readonly code?: string },
): CliError {
	const message = `recording ${site} failed: ${failure}`;
	// Says itself what to do.
	if (code === "not-installed") return new CliError("not-installed", message);
	return new CliError("recording-failed", message, {
		cure: "check the free disk space and the task of the site, then run again; finished recordings are kept",
	});
}

/** Hash of the code that records, so that a recording of other code is never taken for this one's. */
async function recorderFingerprint(): Promise<string> {
	const hash = createHash("sha256");
	const { resolve } = createRequire(import.meta.url);
	for (const name of ["@zk0/sim", "@zk0/dataset"]) {
		const root = dirname(resolve(name));
		const found = await readdir(root, { recursive: true });
		const files = [...found.filter((file) => file.endsWith(".js")).sort(), join("..", "package.json")];
		for (const file of files) hash.update(file).update(await readFile(join(root, file)));
	}
	return hash.digest("hex");
}
