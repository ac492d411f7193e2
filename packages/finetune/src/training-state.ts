// What a site keeps on its disk between the rounds of a run: how many samples it has consumed and, on request,
// AdamW's moments. One safetensors file per round the site took part in, written atomically, so a round that
// was interrupted starts again from the file of the round before and ends at the same bits.
// Never leaves the site: the federation moves weights only.

import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, type NamedArrays } from "@zk0/arrays";
import { openSafetensors, writeSafetensorsFile } from "@zk0/arrays/node";
import { z } from "zod";
import { FinetuneError } from "./errors.ts";

/** AdamW's step count and moments ("exp_avg:<name>", "exp_avg_sq:<name>", float32). */
export interface OptimizerMoments {
	readonly step: number;
	readonly moments: NamedArrays;
}

/** A site's state after one of its rounds. */
export interface TrainingState {
	readonly round: number;
	/** Samples consumed in this run so far: the position in the site's sample sequence. */
	readonly samplesConsumed: number;
	/** Null when moments start fresh each round. */
	readonly optimizer: OptimizerMoments | null;
}

/** The states of one site in one run. */
export interface TrainingStateSpool {
	/** State of the latest round before `round` that the site took part in; null when there was none. */
	readBefore(round: number): Promise<TrainingState | null>;
	/** Writes the state durably, then drops rounds that no restart needs and later rounds of an abandoned try. */
	write(state: TrainingState): Promise<void>;
}

const FORMAT = "zk0-training-state-1";
/** The last round and the one before it: enough to restart the round in progress. */
const ROUNDS_KEPT = 2;

const metadataSchema = z.object({
	format: z.literal(FORMAT),
	run: z.string(),
	site: z.string(),
	round: z.coerce.number().int().nonnegative(),
	samplesConsumed: z.coerce.number().int().nonnegative(),
	optimizerStep: z.coerce.number().int().nonnegative().optional(),
});

/** A folder name for any site name, without path separators or dots-only names. */
function folderName(name: string): string {
	return encodeURIComponent(name).replaceAll(".", "%2E");
}

function fileName(round: number): string {
	return `round_${String(round).padStart(6, "0")}.safetensors`;
}

function roundOf(file: string): number | null {
	const match = /^round_(\d{6,})\.safetensors$/.exec(file);
	return match === null ? null : Number(match[1]);
}

/**
 * Opens the spool of one site in one run under `dir` (created at the first write).
 * @throws FinetuneError "bad-training-state" from `readBefore` when a file is damaged or of another run or site.
 */
export function openTrainingStateSpool(
	dir: string,
	{ runId, site }: { readonly runId: string; readonly site: string },
): TrainingStateSpool {
	const folder = join(dir, folderName(runId), folderName(site));
	const rounds = async (): Promise<number[]> => {
		const found = await listIfPresent(folder);
		const numbers = found.map(roundOf).filter((round) => round !== null);
		return numbers.sort((a, b) => a - b);
	};
	return {
		async readBefore(round) {
			const last = (await rounds()).findLast((candidate) => candidate < round);
			if (last === undefined) return null;
			return readState(join(folder, fileName(last)), { runId, site, round: last });
		},
		async write(state) {
			await mkdir(folder, { recursive: true });
			const metadata = {
				format: FORMAT,
				run: runId,
				site,
				round: String(state.round),
				samplesConsumed: String(state.samplesConsumed),
				...(state.optimizer === null ? {} : { optimizerStep: String(state.optimizer.step) }),
			};
			const arrays: NamedArrays = state.optimizer?.moments ?? new Map();
			await writeSafetensorsFile(join(folder, fileName(state.round)), arrays, { metadata });
			const written = await rounds();
			const kept = written.filter((round) => round <= state.round).slice(-ROUNDS_KEPT);
			for (const round of written.filter((candidate) => !kept.includes(candidate))) {
				await rm(join(folder, fileName(round)));
			}
		},
	};
}

async function listIfPresent(folder: string): Promise<string[]> {
	try {
		return await readdir(folder);
	} catch (error) {
		if (codeOf(error) === "ENOENT") return [];
		throw error;
	}
}

function readState(
	path: string,
	expected: { readonly runId: string; readonly site: string; readonly round: number },
): TrainingState {
	const fail = (why: string, cause?: unknown): FinetuneError =>
		new FinetuneError(
			"bad-training-state",
			`${path} ${why}. Delete it to let the site start this run anew (the result will differ), or restore it`,
			{ site: expected.site, cause },
		);
	try {
		using file = openSafetensors(path);
		const parsed = metadataSchema.safeParse(file.metadata);
		if (!parsed.success) throw fail("is not a training state", parsed.error);
		const { run, site, round, samplesConsumed, optimizerStep } = parsed.data;
		if (run !== expected.runId || site !== expected.site || round !== expected.round) {
			throw fail(`belongs to run ${run}, site ${site}, round ${round}`);
		}
		if (optimizerStep === undefined) return { round, samplesConsumed, optimizer: null };
		const names = [...file.entries.keys()];
		const moments = new Map(names.map((name) => [name, file.readFloat32(name)]));
		return { round, samplesConsumed, optimizer: { step: optimizerStep, moments } };
	} catch (error) {
		if (error instanceof FinetuneError) throw error;
		throw fail("cannot be read", error);
	}
}
