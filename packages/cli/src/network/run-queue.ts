// The server's runs, so many at once: taken from `zk0 run`, or found unfinished on disk when the server starts. A run's
// own directory is all there is to know about it.
import { existsSync } from "node:fs";
import { copyFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { sha256Hex, writeFileAtomic } from "@zk0/arrays/node";
import { type RoundEvent, runNumber } from "@zk0/federation";
import { lastEvent, listRunIds, type RunPaths, readRun, runPaths, writeRunRecord } from "@zk0/records";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { parseConfig } from "../config/config-file.ts";
import type { RunConfig } from "../config/presets.ts";
import { resolveConfig } from "../config/resolve.ts";
import { readIfThere } from "./private-file.ts";
import type { RunStatus, ServeRunOptions } from "./serve-run.ts";

/** The runs of a server. */
export interface RunQueue extends AsyncDisposable {
	/**
	 * Takes a run with these settings, by the names of zk0.json, and `app`: the hash of an app bundle for Flower's nodes.
	 * @returns its id @throws CliError "bad-config" …
	 */
	submit(settings: unknown): Promise<string>;
	/** Takes these settings once: not again while there is a run of them, however it ended. @returns null: there is one */
	submitOnce(settings: unknown): Promise<string | null>;
	/** Stops a run until `goOn`, through restarts of the server, too. @throws CliError "run-not-found" | "not-running" */
	stop(runId: string): Promise<void>;
	/** Goes on with a run that was stopped or has failed. @throws CliError "run-not-found" | "run-in-use" */
	goOn(runId: string): Promise<void>;
	/** Oldest first. */
	list(): readonly RunStatus[];
	/** Whether this process serves the run with this number in messages, or will without being told to. */
	mayServe(run: bigint): boolean;
}

/** What the queue works with. */
export interface RunQueueOptions extends Omit<ServeRunOptions, "onReplay"> {
	/** Folder of the runs. */
	readonly dir: string;
	/** Folder of app bundles, by their hash. */
	readonly apps: string;
	/** Runs at once; the others wait for their turn. */
	readonly maxRuns: number;
	/** Is told of failures that no caller waits for. */
	readonly onFault: (error: unknown) => void;
	/** Is told what happened so far in a run, when it begins or goes on. */
	readonly onReplay: (runId: string, past: readonly RoundEvent[]) => void;
}

/** In the folder of a run that the operator stopped. */
const STOPPED = "stopped";
/** In the folder of a run that the settings asked for: their hash. */
const STANDING = "standing";

const submissionSchema = z.looseObject({
	app: z
		.string()
		.regex(/^[0-9a-f]{64}$/)
		.optional(),
});

/** Opens the queue and goes on with the runs that are not finished. */
export async function openRunQueue(options: RunQueueOptions): Promise<RunQueue> {
	const { dir, host, signal, onFault, maxRuns } = options;
	const states = new Map<string, RunStatus>();
	const waiting: string[] = [];
	/** Runs under way, oldest first, each with what stops it. */
	const running = new Map<string, { readonly stopping: AbortController; readonly ended: Promise<void> }>();
	let wakes: (() => void)[] = [];
	const wake = (): void => {
		for (const one of wakes) one();
		wakes = [];
	};
	const update = (runId: string, change: Partial<RunStatus>): void => {
		const fresh: RunStatus = { ...NOTHING_YET, runId };
		states.set(runId, { ...(states.get(runId) ?? fresh), ...change });
	};
	for (const runId of await listRunIds(dir)) {
		const found = await statusOnDisk(runPaths(dir, runId)).catch((error: unknown): RunStatus => {
			// One run that cannot be read must not keep a server with others from starting.
			onFault(error);
			return { ...NOTHING_YET, runId, state: "failed", message: messageOf(error) };
		});
		states.set(runId, found);
		if (found.state === "queued") waiting.push(runId);
	}
	const serve = async (runId: string, stopping: AbortController): Promise<void> => {
		const served: ServeRunOptions = {
			...options,
			signal: AbortSignal.any([signal, stopping.signal]),
			onReplay: (past) => options.onReplay(runId, past),
		};
		try {
			const { serveRun } = await loadWork();
			await serveRun(runPaths(dir, runId), served, (change) => update(runId, change));
		} catch (error) {
			const isStopped = signal.aborted || stopping.signal.aborted;
			update(runId, {
				state: isStopped ? "stopped" : "failed",
				message: isStopped ? null : messageOf(error),
				tasks: [],
			});
			if (!isStopped) onFault(error);
		}
		running.delete(runId);
	};
	const work = async (): Promise<void> => {
		while (!signal.aborted) {
			const runId = waiting.shift();
			if (runId === undefined) {
				await new Promise<void>((resolve) => wakes.push(resolve));
				continue;
			}
			const stopping = new AbortController();
			// Begins when the run is among those under way.
			const ended = Promise.resolve()
				.then(() => serve(runId, stopping))
				.catch(onFault);
			running.set(runId, { stopping, ended });
			await ended;
		}
	};
	signal.addEventListener("abort", wake, { once: true });
	const working = Promise.all(Array.from({ length: maxRuns }, work));
	const enqueue = (runId: string): void => {
		waiting.push(runId);
		wake();
	};
	const find = (runId: string): RunStatus => {
		const found = states.get(runId);
		if (found !== undefined) return found;
		throw new CliError("run-not-found", `this server has no run ${runId}`, { cure: "see `zk0 status`" });
	};
	const submit = async (submission: unknown): Promise<string> => {
		const { app, ...settings } = submissionSchema.parse(submission);
		const config = resolveConfig(parseConfig(settings, "the run's settings"), {});
		if (app !== undefined) requireFloat32(config.config);
		const { newRunId, writeStartCheckpoint, openCheckpoint, recordOf } = await loadWork();
		const paths = runPaths(dir, newRunId(host));
		await mkdir(paths.root, { recursive: true });
		if (app !== undefined) await copyFile(join(options.apps, `${app}.fab`), paths.app);
		await writeStartCheckpoint(paths.globalCheckpoint(0), config.config, host);
		using base = await openCheckpoint(paths.globalCheckpoint(0), { hub: host });
		const parts = {
			paths,
			base,
			opened: [],
			microBatch: config.config.batchSize,
			host,
			reporter: options.reporter,
		};
		await writeRunRecord(paths.config, await recordOf(config, parts));
		update(paths.id, { rounds: config.config.rounds });
		enqueue(paths.id);
		return paths.id;
	};
	return {
		submit,
		async submitOnce(settings) {
			const key = sha256Hex(JSON.stringify(settings));
			for (const runId of states.keys())
				if ((await readIfThere(join(runPaths(dir, runId).root, STANDING))) === key) return null;
			const runId = await submit(settings);
			await writeFileAtomic(join(runPaths(dir, runId).root, STANDING), key);
			return runId;
		},
		async stop(runId) {
			const { state } = find(runId);
			if (state !== "queued" && state !== "running")
				throw new CliError("not-running", `${runId} is ${state} already`);
			await writeFileAtomic(join(runPaths(dir, runId).root, STOPPED), "");
			if (waiting.includes(runId)) waiting.splice(waiting.indexOf(runId), 1);
			const found = running.get(runId);
			found?.stopping.abort(new CliError("interrupted", "stopped by the operator"));
			await found?.ended;
			update(runId, { state: "stopped", message: goOnText(runId), tasks: [] });
		},
		async goOn(runId) {
			const { state } = find(runId);
			if (state !== "stopped" && state !== "failed")
				throw new CliError("run-in-use", `${runId} is ${state}, not stopped`);
			await rm(join(runPaths(dir, runId).root, STOPPED), { force: true });
			update(runId, { state: "queued", message: null });
			enqueue(runId);
		},
		list: () => [...states.values()].sort((a, b) => (a.runId < b.runId ? -1 : 1)),
		mayServe: (run) => [...running.keys(), ...waiting].some((runId) => runNumber(runId) === run),
		async [Symbol.asyncDispose]() {
			wake();
			await working;
		},
	};
}

/** Loaded with the first run that has something to do. */
const loadWork = () => import("./run-work.ts");

const NOTHING_YET: Omit<RunStatus, "runId"> = {
	state: "queued",
	round: 0,
	rounds: 0,
	message: null,
	modelSha256: null,
	tasks: [],
};

function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}

function goOnText(runId: string): string {
	return `stopped by the operator; go on with: zk0 run --resume ${runId}`;
}

/** @throws CliError "bad-config" */
function requireFloat32({ updateDtype }: RunConfig): void {
	if (updateDtype === "float32") return;
	throw new CliError("bad-config", "Flower's nodes cannot read bfloat16", {
		cure: "leave --update-dtype out of a run with --fab",
	});
}

async function statusOnDisk(paths: RunPaths): Promise<RunStatus> {
	// A server that has run for years starts at once: what is completed is not read again.
	const end = await lastEvent(paths.events);
	if (end?.kind === "run.completed") {
		const { numRounds } = end;
		return { ...NOTHING_YET, runId: paths.id, round: numRounds, rounds: numRounds, state: "completed" };
	}
	const { record, summary } = await readRun(paths);
	const { recordedConfig } = await loadWork();
	const rounds = recordedConfig(record, paths).rounds;
	const round = summary.rounds.at(-1)?.round ?? 0;
	const base = { ...NOTHING_YET, runId: paths.id, round, rounds };
	if (summary.status === "failed") return { ...base, state: "failed", message: summary.failure };
	if (existsSync(join(paths.root, STOPPED)))
		return { ...base, state: "stopped", message: goOnText(paths.id) };
	return { ...base, state: "queued" };
}
