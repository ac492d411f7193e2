// Examines datasets: survey, one pass over the rows, one bounded pass over the pictures, then every rule.
import { DatasetError, openDataset, TIMESTAMP_TOLERANCE_S } from "@zk0/dataset";
import { armRangeOf, type Evidence, gatherEvidence, type Purpose } from "./evidence.ts";
import { type Finding, findingOf } from "./finding.ts";
import { passFrames } from "./frames/frames-pass.ts";
import { passRows } from "./rows/rows-pass.ts";
import type { Hit } from "./rule.ts";
import { OVERLAP_RULE, overlapMessage } from "./rules/cameras.ts";
import { FILE_RULES, REFUSED_RULE, reported } from "./rules/files.ts";
import { RULES } from "./rules/table.ts";
import { reasonOf } from "./survey/problem.ts";
import { surveyDataset } from "./survey/survey.ts";

/** How to examine. */
export interface ExamineOptions {
	/** Decode every frame instead of a sample. @default false */
	readonly thorough?: boolean;
	/** Actions that the policy predicts at once. @default 16, the small policy's */
	readonly chunkSize?: number;
	/** Most numbers of a state or an action that the policy takes. @default 32, SmolVLA's */
	readonly maxDim?: number;
	/** Largest accepted difference between a timestamp and frame_index / fps, seconds. @default 0.0001 (LeRobot's) */
	readonly toleranceS?: number;
	/** Decoder processes. @default the dataset package's */
	readonly processes?: number;
	/** Called after each episode whose pictures were looked at. */
	readonly onEpisode?: (numDone: number, numEpisodes: number) => void;
	readonly signal?: AbortSignal | undefined;
}

/** One dataset, examined. */
export interface Examination {
	/** As the caller named it. */
	readonly uri: string;
	/** Absolute path. */
	readonly root: string;
	/** In the order of the rule table. */
	readonly findings: readonly Finding[];
	/** Null when the metadata says too little to look further. */
	readonly evidence: Evidence | null;
}

/**
 * Examines the dataset at `dir`. Damage becomes findings.
 * @throws DoctorError "not-found", "not-a-dataset" for what is no dataset at all
 * @example
 * const { findings } = await examineDataset("data/kitchen");
 */
export async function examineDataset(
	dir: string,
	{ uri = dir, ...options }: ExamineOptions & { readonly uri?: string } = {},
): Promise<Examination> {
	const { thorough = false, onEpisode, signal } = options;
	const { root, description, problems } = await surveyDataset(dir, { signal });
	if (description === null) {
		const findings = FILE_RULES.flatMap((rule) =>
			problems
				.filter(({ code }) => code === rule.code)
				.flatMap(({ code }) => reported(code)({ problems }))
				.map((hit) => findingOf(rule, hit, root)),
		);
		return { uri, root, findings, evidence: null };
	}
	const purpose: Purpose = {
		chunkSize: options.chunkSize ?? 16,
		maxDim: options.maxDim ?? 32,
		toleranceS: options.toleranceS ?? TIMESTAMP_TOLERANCE_S,
	};
	const rows = await passRows(description, { toleranceS: purpose.toleranceS, signal });
	const armRange = armRangeOf(rows, description);
	const pictures = await passFrames(root, description, rows.episodes, {
		thorough,
		armRange,
		onEpisode,
		signal,
	});
	const evidence = gatherEvidence(root, description, { problems, rows, pictures, purpose });
	const findings = RULES.flatMap((rule) => rule.check(evidence).map((hit) => findingOf(rule, hit, root)));
	if (findings.every(({ severity }) => severity !== "error")) {
		const refusal = await refusalOf(root, signal);
		if (refusal !== null) findings.push(findingOf(REFUSED_RULE, refusal, root));
	}
	return { uri, root, findings, evidence };
}

/** Why training could not open the dataset; null when it can. */
async function refusalOf(root: string, signal: AbortSignal | undefined): Promise<Hit | null> {
	try {
		await openDataset(root, signal === undefined ? {} : { signal });
		return null;
	} catch (cause) {
		signal?.throwIfAborted();
		// A rate beyond any tolerance is a RangeError of the reader's own options.
		if (cause instanceof RangeError) return { message: cause.message };
		if (!(cause instanceof DatasetError)) throw cause;
		return { message: reasonOf(cause), ...(cause.file === undefined ? {} : { file: cause.file }) };
	}
}

/** Adds what the examinations of several datasets say together: episodes that two of them hold. */
export function compareExaminations(examinations: readonly Examination[]): Examination[] {
	const hashes = examinations.map(
		({ evidence }) =>
			new Map(
				(evidence?.rows.episodes ?? []).map(({ contentHash, episodeIndex }) => [contentHash, episodeIndex]),
			),
	);
	return examinations.map((examination, at) => {
		// The first of the datasets keeps what they share.
		const overlaps = hashes.slice(0, at).flatMap((other, position) => {
			const episodes = [...(hashes[at] ?? [])]
				.flatMap(([hash, episode]) => (other.has(hash) ? [episode] : []))
				.sort((a, b) => a - b);
			const name = examinations[position]?.uri ?? "";
			return episodes.length === 0
				? []
				: [{ message: overlapMessage(episodes.length, name, episodes), episodes }];
		});
		const findings = overlaps.map((hit) => findingOf(OVERLAP_RULE, hit, examination.root));
		return findings.length === 0
			? examination
			: { ...examination, findings: [...examination.findings, ...findings] };
	});
}
