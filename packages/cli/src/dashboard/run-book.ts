// The feeds of a server's runs: opened when somebody looks, a few kept. Of the others only a line for the list of runs.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { RunLine, RunView } from "@zk0/dashboard/views";
import type { Clock } from "@zk0/federation";
import { isRunDirectory, listRunIds, type RunRecord, readRunRecord, runPaths } from "@zk0/records";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";
import { openRunFeed, type RunFeed } from "./run-feed.ts";

/** Access to the runs under one folder. */
export interface RunBook {
	/** The run's feed, up to date. @throws CliError "run-not-found" | "run-damaged" */
	open(runId: string): Promise<RunFeed>;
	/** @throws CliError "run-not-found" | "run-damaged" */
	record(runId: string): Promise<RunRecord>;
	/** Oldest first. */
	list(): Promise<readonly RunLine[]>;
	/**
	 * Folds what the logs of the newest runs have gained, and saves the views of long ones, until the signal aborts: no
	 * page waits for a log to be read. `onFault` is told of a run that cannot be read, once.
	 */
	keep(options: {
		readonly clock: Clock;
		readonly signal: AbortSignal;
		readonly onFault: (error: unknown) => void;
	}): Promise<void>;
}

/** Feeds in memory at once; one of a long run with a hundred sites takes some tens of megabytes. */
const MAX_FEEDS = 6;
/** Runs whose views are kept up to date, watched or not. */
const NUM_KEPT = 3;
const KEEP_EVERY_MS = 2000;
/** New runs are looked for less often: a server may have a thousand old ones. */
const LOOKS_PER_LIST = 5;
/** In a run's folder: the views of a long run. */
const SNAPSHOT = "views.json";

/** The runs in `dir`. */
export function createRunBook(dir: string): RunBook {
	/** The one used last stands last. */
	const feeds = new Map<string, RunFeed>();
	const lines = new Map<string, { readonly sizeBytes: number; readonly line: RunLine }>();
	const open = async (runId: string): Promise<RunFeed> => {
		// A name that leads elsewhere is no run.
		const isName = runId !== "" && !/[/\\]|^\.\.?$/.test(runId);
		if (!isName || !(await isRunDirectory(join(dir, runId))))
			throw new CliError("run-not-found", `there is no run ${runId.slice(0, 80)}`);
		const { events, root } = runPaths(dir, runId);
		const feed = feeds.get(runId) ?? openRunFeed(events, join(root, SNAPSHOT));
		feeds.delete(runId);
		feeds.set(runId, feed);
		const [oldest] = feeds.size > MAX_FEEDS ? feeds.keys() : [];
		if (oldest !== undefined) feeds.delete(oldest);
		await feed.refresh();
		return feed;
	};
	const record = async (runId: string): Promise<RunRecord> => {
		await open(runId);
		return await readRunRecord(runPaths(dir, runId).config);
	};
	const lineOf = async (runId: string): Promise<RunLine> => {
		const { events, config } = runPaths(dir, runId);
		const sizeBytes = await sizeOf(events);
		const known = lines.get(runId);
		if (known?.sizeBytes === sizeBytes) return known.line;
		const { view } = await open(runId);
		const line = describe(runId, (await readRunRecord(config)).createdAt, view);
		lines.set(runId, { sizeBytes, line });
		return line;
	};
	return {
		open,
		record,
		async list() {
			const found: RunLine[] = [];
			for (const runId of await listRunIds(dir)) found.push(await lineOf(runId));
			return found;
		},
		async keep({ clock, signal, onFault }) {
			const given = new Set<string>();
			let newest: string[] = [];
			for (let look = 0; !signal.aborted; look++) {
				if (look % LOOKS_PER_LIST === 0) newest = (await listRunIds(dir)).slice(-NUM_KEPT);
				for (const runId of newest) {
					if (given.has(runId) || signal.aborted) continue;
					try {
						const feed = await open(runId);
						// The histories of a run that goes on are needed with its next event: not then, in front of a page.
						if (feed.view.phase.kind !== "over") await feed.sites();
						await feed.save();
					} catch (error) {
						given.add(runId);
						onFault(error);
					}
				}
				await clock.sleep(KEEP_EVERY_MS, { signal }).catch((error: unknown) => {
					if (!signal.aborted) throw error;
				});
			}
		},
	};
}

function describe(runId: string, createdAt: string, view: RunView): RunLine {
	const { status, phase, settings, sites, rounds } = view;
	const bytes = rounds.flatMap(({ bytesUp }) => (bytesUp === null ? [] : [bytesUp]));
	return {
		runId,
		createdAt,
		status,
		round: phase.round,
		numRounds: settings?.numRounds ?? null,
		numSites: sites.length,
		strategy: settings?.strategy ?? null,
		initialLoss: rounds[0]?.loss ?? null,
		loss: rounds.findLast(({ loss }) => loss !== null)?.loss ?? null,
		bytesUp: bytes.length === 0 ? null : bytes.reduce((sum, value) => sum + value, 0),
	};
}

async function sizeOf(path: string): Promise<number> {
	try {
		return (await stat(path)).size;
	} catch (error) {
		if (codeOf(error) === "ENOENT") return 0;
		throw error;
	}
}
