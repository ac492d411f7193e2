// The checkpoints that a server's runs left on its disk, with what their weights are made of, and their cards.
import { once } from "node:events";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { ModelView } from "@zk0/dashboard/views";
import { type RunPaths, roundsWithCheckpoints, runPaths } from "@zk0/records";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";
import type { RunBook } from "./run-book.ts";

/** Every checkpoint of the runs in `dir`, the newest run and round first. */
export async function listModels(dir: string, book: RunBook): Promise<ModelView[]> {
	const models: ModelView[] = [];
	/** Rounds by the weights that they ended with: what a later run may have started from. */
	const rounds = new Map<string, ModelView["continues"]>();
	for (const { runId } of await book.list()) {
		const { view } = await book.open(runId);
		const start = view.settings?.weightsSha256;
		const continues = start === undefined ? null : (rounds.get(start) ?? null);
		models.unshift(...(await modelsOf(runPaths(dir, runId), book, continues)));
		for (const { round, weightsSha256 } of view.rounds)
			if (weightsSha256 !== null) rounds.set(weightsSha256, { runId, round });
	}
	return models;
}

/**
 * The model card of a checkpoint, generated from its run's record; cards are made one after the other.
 * @throws CliError "model-not-found" when the checkpoint is not kept, "run-not-found"
 */
export function createCardMaker(
	dir: string,
	book: RunBook,
): (runId: string, round: number) => Promise<string> {
	const folder = import.meta.url.endsWith(".ts") ? "../../dist/dashboard" : ".";
	const entry = new URL(`${folder}/card-worker.js`, import.meta.url);
	let last: Promise<unknown> = Promise.resolve();
	const make = async (runId: string, round: number): Promise<string> => {
		await book.open(runId);
		if ((await filesIn(runPaths(dir, runId).globalCheckpoint(round))).length === 0)
			throw new CliError("model-not-found", `${runId} keeps no checkpoint of round ${round}`);
		const worker = new Worker(entry, { workerData: { dir, runId, round }, execArgv: [] });
		const [card]: unknown[] = await once(worker, "message");
		return String(card);
	};
	return (runId, round) => {
		const made = last.then(() => make(runId, round));
		// Its caller is told of a failure; the next card does not depend on it.
		last = made.catch(() => undefined);
		return made;
	};
}

/** The path of a checkpoint's file. @throws CliError "model-not-found" */
export async function modelFile(dir: string, book: RunBook, wanted: ModelFileName): Promise<string> {
	const { runId, round, name } = wanted;
	const paths = runPaths(dir, runId);
	const files = (await book.open(runId), await filesIn(paths.globalCheckpoint(round)));
	if (!files.some((file) => file.name === name))
		throw new CliError("model-not-found", `round ${round} of ${runId} has no file of that name`);
	return join(paths.globalCheckpoint(round), name);
}

/** Names a file of a round's checkpoint. */
export interface ModelFileName {
	readonly runId: string;
	readonly round: number;
	readonly name: string;
}

async function modelsOf(
	paths: RunPaths,
	book: RunBook,
	continues: ModelView["continues"],
): Promise<ModelView[]> {
	const feed = await book.open(paths.id);
	const histories = await feed.sites();
	const { view } = feed;
	const { initial } = await book.record(paths.id);
	const models: ModelView[] = [];
	for (const round of (await roundsWithCheckpoints(paths)).reverse()) {
		const row = view.rounds[round];
		const weights = [...histories.values()]
			.sort((a, b) => (a.site < b.site ? -1 : 1))
			.map(({ site, weight }) => ({
				site,
				weight: weight[round] ?? null,
			}));
		models.push({
			runId: paths.id,
			round,
			createdAt: row?.endAt ?? null,
			loss: row?.loss ?? null,
			weightsSha256: row?.weightsSha256 ?? (round === 0 ? (view.settings?.weightsSha256 ?? null) : null),
			startedFrom: initial.from,
			continues,
			strategy: view.settings?.strategy ?? null,
			sites: weights.flatMap(({ site, weight }) => (weight === null ? [] : [{ site, weight }])),
			files: await filesIn(paths.globalCheckpoint(round)),
		});
	}
	return models;
}

async function filesIn(folder: string): Promise<ModelView["files"]> {
	const names = await readdir(folder).catch(noneIfMissing);
	const files: ModelView["files"] = [];
	for (const name of names.sort()) {
		const found = await stat(join(folder, name));
		if (found.isFile()) files.push({ name, sizeBytes: found.size });
	}
	return files;
}

function noneIfMissing(error: unknown): string[] {
	if (codeOf(error) === "ENOENT") return [];
	throw error;
}
