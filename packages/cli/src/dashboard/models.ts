// The checkpoints that a server's runs left on its disk, with what their weights are made of.
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ModelView } from "@zk0/dashboard/views";
import { type RunPaths, runPaths } from "@zk0/records";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";
import type { RunBook } from "./run-book.ts";

const ROUND_FOLDER = /^round_(\d+)$/;

/** Every checkpoint of the runs in `dir`, the newest run and round first. */
export async function listModels(dir: string, book: RunBook): Promise<ModelView[]> {
	const models: ModelView[] = [];
	for (const { runId } of [...(await book.list())].reverse())
		models.push(...(await modelsOf(runPaths(dir, runId), book)));
	return models;
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

async function modelsOf(paths: RunPaths, book: RunBook): Promise<ModelView[]> {
	const { view, histories } = await book.open(paths.id);
	const { initial } = await book.record(paths.id);
	const folders = await readdir(join(paths.root, "checkpoints")).catch(noneIfMissing);
	const rounds = folders.flatMap((folder) => ROUND_FOLDER.exec(folder)?.[1] ?? []).map(Number);
	const models: ModelView[] = [];
	for (const round of rounds.sort((a, b) => b - a)) {
		const row = view.rounds[round];
		const weights = [...histories.values()].map(({ site, weight }) => ({
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
