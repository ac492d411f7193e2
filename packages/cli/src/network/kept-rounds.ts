// The joint weights of the last rounds as the site got them, so that their owner can look at what they would do. They are
// kept beside the client's work by hard links: keeping costs no copying, only that their bytes are not freed.
import { link, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { sha256Hex } from "@zk0/arrays/node";
import type { EvaluateTask } from "@zk0/federation";
import { z } from "zod";
import { codeOf } from "../exit-codes.ts";
import { readJsonFile, writePrivateJson } from "./private-file.ts";
import type { RunSetup } from "./run-setup.ts";

/** Rounds that are kept: of a full-size model each takes about 0.4 GB. */
const MAX_KEPT = 3;
const ENDING = ".json";

const keptSchema = z.object({
	format: z.literal("zk0-kept-round-1"),
	runId: z.string(),
	/** 0: the start model, which lies in the folder of models. */
	round: z.int().nonnegative(),
	weightsSha256: z.string(),
	/** Id of the start model's files. */
	files: z.string(),
	heldOut: z.union([z.number(), z.array(z.int())]),
	seed: z.int(),
	keptAt: z.iso.datetime(),
});

/** A round whose weights are here. */
export interface KeptRound extends z.infer<typeof keptSchema> {
	/** Names it among all of this site. */
	readonly key: string;
	/** The trained tensors; null for round 0. */
	readonly weights: string | null;
}

/** Keeps the weights of a round that is evaluated, and drops old ones. The start model's are only noted. */
export async function keepRound(
	dir: string,
	{ runId, round, seed, weightsPath, weightsSha256 }: Omit<EvaluateTask, "learning">,
	{ setup, now }: { readonly setup: RunSetup; readonly now: number },
): Promise<void> {
	await mkdir(dir, { recursive: true });
	// The run's id is the server's word and no file name.
	const key = `${sha256Hex(runId).slice(0, 16)}-${round}`;
	if (round > 0) await linkOver(weightsPath, weightsOf(dir, key));
	const { files } = setup.start;
	const { heldOut } = setup.site;
	const keptAt = new Date(now).toISOString();
	const record = { format: "zk0-kept-round-1", runId, round, weightsSha256, files, heldOut, seed, keptAt };
	await writePrivateJson(join(dir, `${key}${ENDING}`), record);
	const [latest, ...others] = (await listKeptRounds(dir)).toReversed();
	const isOfRun = (one: KeptRound): boolean => one.runId === latest?.runId;
	const trained = others.filter((one) => one.round > 0);
	const old = [...trained.slice(MAX_KEPT - 1), ...others.filter((one) => one.round === 0 && !isOfRun(one))];
	for (const one of old) {
		await rm(join(dir, `${one.key}${ENDING}`), { force: true });
		await rm(weightsOf(dir, one.key), { force: true });
	}
}

/** What is kept, the oldest first. @throws CliError "state-damaged" */
export async function listKeptRounds(dir: string): Promise<KeptRound[]> {
	const names = await readdir(dir).catch((error: unknown) => {
		if (codeOf(error) === "ENOENT") return [];
		throw error;
	});
	const found: KeptRound[] = [];
	for (const name of names) {
		if (!name.endsWith(ENDING)) continue;
		const key = name.slice(0, -ENDING.length);
		const record = await readJsonFile(join(dir, name), keptSchema);
		if (record !== undefined)
			found.push({ ...record, key, weights: record.round === 0 ? null : weightsOf(dir, key) });
	}
	return found.sort((a, b) => (a.keptAt === b.keptAt ? a.round - b.round : a.keptAt < b.keptAt ? -1 : 1));
}

/** Makes `path` a link to `file`, whatever it was: a server that was restored may have other weights of a round. */
async function linkOver(file: string, path: string): Promise<void> {
	const part = `${path}.part`;
	await rm(part, { force: true });
	await link(file, part);
	await rename(part, path);
	// Where both were the same file already, nothing was renamed.
	await rm(part, { force: true });
}

function weightsOf(dir: string, key: string): string {
	return join(dir, `${key}.safetensors`);
}
