// What of the runs under a directory could be deleted to free space, and in which order: never anything of a run that is not
// finished, and never a finished run's first and last checkpoint unless whole runs may go.
import { existsSync } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { codeOf } from "@zk0/arrays";
import { roundsWithCheckpoints } from "./kept-rounds.ts";
import { listRunIds } from "./list-runs.ts";
import { type RunPaths, runPaths } from "./paths.ts";
import { readEvents } from "./read-run.ts";
import { holderOf } from "./run-lock.ts";
import { readRunRecord } from "./run-record.ts";
import { readTrainingLog } from "./training-log.ts";

/** The unit of a file's `blocks`, whatever the file system's own is. */
const BLOCK_BYTES = 512;

/** Something that may be deleted. */
export interface PrunablePart {
	readonly runId: string;
	readonly path: string;
	readonly sizeBytes: number;
	/** What it is, for people. */
	readonly what: string;
}

/** A run as pruning sees it. */
export interface PrunableRun {
	readonly runId: string;
	readonly root: string;
	readonly sizeBytes: number;
	/** Completed, and nobody works on it. */
	readonly isFinished: boolean;
	/** What it can do without once it is finished, the least useful first. */
	readonly parts: readonly PrunablePart[];
}

/** How far pruning goes. */
export interface PruneLimits {
	/** Stop at this size of everything; null: delete all that may go. */
	readonly maxBytes: number | null;
	/** Whether whole finished runs may go, the oldest first. */
	readonly wholeRuns: boolean;
	/** Newest finished runs that stay whatever is asked. */
	readonly keepRuns: number;
}

/** What to delete, in order. */
export function planPrune(runs: readonly PrunableRun[], limits: PruneLimits): PrunablePart[] {
	const finished = runs.filter(({ isFinished }) => isFinished);
	const chosen: PrunablePart[] = [];
	let total = runs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
	const isEnough = (): boolean => limits.maxBytes !== null && total <= limits.maxBytes;
	const take = (part: PrunablePart): void => {
		if (isEnough()) return;
		total -= part.sizeBytes;
		chosen.push(part);
	};
	for (const { parts } of finished) for (const part of parts) take(part);
	if (!limits.wholeRuns) return chosen;
	const old = finished.slice(0, Math.max(0, finished.length - limits.keepRuns));
	for (const { runId, root, sizeBytes, parts } of old) {
		if (isEnough()) break;
		const isGone = (part: PrunablePart): boolean => chosen.includes(part);
		const rest = sizeBytes - parts.filter(isGone).reduce((sum, part) => sum + part.sizeBytes, 0);
		take({ runId, path: root, sizeBytes: rest, what: "the whole run" });
	}
	return chosen;
}

/** The runs under `out`, oldest first. */
export async function prunableRuns(out: string): Promise<PrunableRun[]> {
	const runs: PrunableRun[] = [];
	for (const runId of await listRunIds(out)) {
		const paths = runPaths(out, runId);
		const isFinished = (await isCompleted(paths)) && (await holderOf(paths.lock)) === undefined;
		const parts: PrunablePart[] = [];
		if (isFinished) {
			for (const { path, what } of await partsOf(paths)) {
				parts.push({ runId, path, what, sizeBytes: await diskBytes(path) });
			}
		}
		runs.push({ runId, root: paths.root, sizeBytes: await diskBytes(paths.root), isFinished, parts });
	}
	return runs;
}

/** A run that cannot be read counts as unfinished: somebody may still want to look at it. */
async function isCompleted(paths: RunPaths): Promise<boolean> {
	try {
		const { training } = await readRunRecord(paths.config);
		if (training === undefined)
			return (await readEvents(paths.events)).events.at(-1)?.kind === "run.completed";
		return (await readTrainingLog(paths.trainingLog)).at(-1)?.event.kind === "completed";
	} catch {
		return false;
	}
}

async function partsOf(paths: RunPaths): Promise<Pick<PrunablePart, "path" | "what">[]> {
	const working = [join(paths.federation, "clients"), paths.siteState, paths.trainingState];
	const between = (await roundsWithCheckpoints(paths)).slice(0, -1).filter((round) => round > 0);
	return [
		...working.filter((path) => existsSync(path)).map((path) => ({ path, what: "working files" })),
		...between.map((round) => ({
			path: dirname(paths.globalCheckpoint(round)),
			what: `checkpoints of round ${round}`,
		})),
	];
}

/** Bytes that a file or folder takes; hard links inside it count once, and what goes meanwhile (the run may be under way) does not. */
export async function diskBytes(path: string): Promise<number> {
	const seen = new Set<number>();
	const sizeOf = async (at: string): Promise<number> => {
		try {
			const status = await lstat(at);
			if (seen.has(status.ino)) return 0;
			seen.add(status.ino);
			let bytes = status.blocks * BLOCK_BYTES;
			if (status.isDirectory()) for (const name of await readdir(at)) bytes += await sizeOf(join(at, name));
			return bytes;
		} catch (error) {
			if (codeOf(error) === "ENOENT") return 0;
			throw error;
		}
	};
	return await sizeOf(path);
}
