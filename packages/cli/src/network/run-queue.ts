// The server's runs, one after another: taken from `zk0 run`, or found unfinished on disk when the server starts. A run's
// own directory is all there is to know about it.
import { existsSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
	type Clock,
	type FederationServer,
	offerFiles,
	openObjectStore,
	type RoundEvent,
	rounds,
} from "@zk0/federation";
import { loadAppBundle } from "@zk0/flower/node";
import { openCheckpoint } from "@zk0/policy";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { parseConfig } from "../config/config-file.ts";
import type { RunConfig } from "../config/presets.ts";
import { resolveConfig } from "../config/resolve.ts";
import type { Host } from "../host.ts";
import type { RunReporter } from "../progress/reporter.ts";
import { listRunIds } from "../run-directory/find-run.ts";
import { type RunPaths, runPaths } from "../run-directory/paths.ts";
import { readRun } from "../run-directory/read-run.ts";
import { withRunLock } from "../run-directory/run-lock.ts";
import { readRunRecord, writeRunRecord } from "../run-directory/run-record.ts";
import { federate } from "../simulation/federate.ts";
import { strategyOf, waitingOf } from "../simulation/federation-options.ts";
import { newRunId, recordedConfig, recordOf } from "../simulation/recorded-run.ts";
import { writeStartCheckpoint } from "../simulation/start-model.ts";
import { setupOf } from "./run-setup.ts";
import { startFiles } from "./start-files.ts";

/** Where a run stands. */
export interface RunStatus {
	readonly runId: string;
	readonly state: "queued" | "running" | "completed" | "failed" | "stopped";
	/** Round under way, or the last one. */
	readonly round: number;
	readonly rounds: number;
	/** What it waits for, or why it ended. */
	readonly message: string | null;
	/** SHA-256 of the last weights, once it is completed. */
	readonly modelSha256: string | null;
}

/** The runs of a server. */
export interface RunQueue extends AsyncDisposable {
	/**
	 * Takes a run with these settings, by the names of zk0.json, and `app`: the hash of an app bundle for Flower's nodes.
	 * @returns its id @throws CliError "bad-config" …
	 */
	submit(settings: unknown): Promise<string>;
	/** Oldest first. */
	list(): readonly RunStatus[];
}

/** What the queue works with. */
export interface RunQueueOptions {
	/** Folder of the runs. */
	readonly dir: string;
	/** Folder of app bundles, by their hash. */
	readonly apps: string;
	readonly server: FederationServer;
	readonly clock: Clock;
	readonly host: Host;
	readonly reporter: RunReporter;
	/** Stops the run under way; it goes on at the next start. */
	readonly signal: AbortSignal;
	/** Is told of failures that no caller waits for. */
	readonly onFault: (error: unknown) => void;
	/** Is told what happened in a run so far, when it begins or goes on. */
	readonly onReplay: (past: readonly RoundEvent[]) => void;
	/** Is told of every event of a run. */
	readonly onEvent: (runId: string, event: RoundEvent) => void;
}

const submissionSchema = z.looseObject({
	app: z
		.string()
		.regex(/^[0-9a-f]{64}$/)
		.optional(),
});

/** Opens the queue and goes on with the runs that are not finished. */
export async function openRunQueue(options: RunQueueOptions): Promise<RunQueue> {
	const { dir, host, signal, onFault } = options;
	const states = new Map<string, RunStatus>();
	const waiting: string[] = [];
	let wake = (): void => undefined;
	const update = (runId: string, change: Partial<RunStatus>): void => {
		const known = states.get(runId);
		const fresh: RunStatus = {
			runId,
			state: "queued",
			round: 0,
			rounds: 0,
			message: null,
			modelSha256: null,
		};
		states.set(runId, { ...(known ?? fresh), ...change });
	};
	for (const runId of await listRunIds(dir)) {
		const found = await statusOnDisk(runPaths(dir, runId));
		states.set(runId, found);
		if (found.state === "queued") waiting.push(runId);
	}
	const work = async (): Promise<void> => {
		while (!signal.aborted) {
			const runId = waiting.shift();
			if (runId === undefined) {
				await new Promise<void>((resolve) => {
					wake = resolve;
				});
				continue;
			}
			await runOne(runPaths(dir, runId), options, (change) => update(runId, change)).catch(
				(error: unknown) => {
					const message = error instanceof Error ? error.message : String(error);
					update(runId, { state: signal.aborted ? "stopped" : "failed", message });
					if (!signal.aborted) onFault(error);
				},
			);
		}
	};
	signal.addEventListener("abort", () => wake(), { once: true });
	const working = work();
	return {
		async submit(submission) {
			const { app, ...settings } = submissionSchema.parse(submission);
			const config = resolveConfig(parseConfig(settings, "the run's settings"), {});
			if (app !== undefined) requireFloat32(config.config);
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
			waiting.push(paths.id);
			wake();
			return paths.id;
		},
		list: () => [...states.values()].sort((a, b) => (a.runId < b.runId ? -1 : 1)),
		async [Symbol.asyncDispose]() {
			wake();
			await working;
		},
	};
}

/** @throws CliError "bad-config" */
function requireFloat32({ updateDtype }: RunConfig): void {
	if (updateDtype === "float32") return;
	throw new CliError("bad-config", "Flower's nodes cannot read bfloat16", {
		cure: "leave --update-dtype out of a run with --fab",
	});
}

async function statusOnDisk(paths: RunPaths): Promise<RunStatus> {
	const { record, summary } = await readRun(paths);
	const rounds = recordedConfig(record, paths).rounds;
	const round = summary.rounds.at(-1)?.round ?? 0;
	const base = { runId: paths.id, round, rounds, message: null, modelSha256: null };
	if (summary.status === "completed") return { ...base, state: "completed" };
	if (summary.status === "failed") return { ...base, state: "failed", message: summary.failure };
	return { ...base, state: "queued" };
}

async function runOne(
	paths: RunPaths,
	{ server, clock, host, reporter, signal, onReplay, onEvent }: RunQueueOptions,
	update: (change: Partial<RunStatus>) => void,
): Promise<void> {
	const record = await readRunRecord(paths.config);
	const config = recordedConfig(record, paths);
	update({ state: "running", rounds: config.rounds });
	await withRunLock(paths.lock, async () => {
		using base = await openCheckpoint(paths.globalCheckpoint(0), { hub: host });
		const store = await openObjectStore(join(paths.federation, "server"));
		const bundle = existsSync(paths.app) ? await loadAppBundle(paths.app) : undefined;
		await using grid = server.openGrid(store, bundle && { runId: paths.id, bundle });
		const offered = await offerFiles(await startFiles(base), { signal });
		grid.offer(offered);
		const watching: RunReporter = {
			...reporter,
			event(event) {
				reporter.event(event);
				onEvent(paths.id, event);
				update(changeOf(event));
			},
		};
		const { modelSha256 } = await federate({
			paths,
			record,
			config,
			base,
			cache: null,
			sites: [],
			reporter: watching,
			signal,
			start: (log) => {
				onReplay(log.events);
				return rounds({
					runId: paths.id,
					seed: config.seed,
					numRounds: config.rounds,
					numLocalSteps: config.localSteps,
					learning: setupOf(config, record, offered.root),
					updateDtype: config.updateDtype,
					strategy: strategyOf(config),
					initialWeightsPath: paths.initialWeights,
					grid,
					log,
					store,
					clock,
					...waitingOf(config),
					clipNorm: config.clipNorm,
					offlineSites: "wait",
					signal,
				});
			},
		});
		update({ state: "completed", message: null, modelSha256 });
	});
}

/** What an event says about where the run stands. */
function changeOf(event: RoundEvent): Partial<RunStatus> {
	if (event.kind === "run.waiting")
		return { message: `waiting for clients: ${event.numOnline} of ${event.numNeeded} are online` };
	if (event.kind === "round.started")
		return { round: event.round, message: `training on ${event.sites.join(", ")}` };
	if (event.kind === "round.aggregated") return { round: event.round, message: "evaluating" };
	if (event.kind === "site.stalled")
		return { message: `waiting for ${event.site}: no progress for ${Math.round(event.seconds)} s` };
	if (event.kind === "round.closed")
		return { message: `goes on without ${event.without.join(", ")} (${event.reason})` };
	if (event.kind === "site.left")
		return { message: `${event.site} ${event.reason === "left" ? "left" : "is offline"}` };
	return {};
}
