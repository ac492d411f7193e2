// The one pass over all rows: file by file, so that memory holds one file's rows and a few numbers per episode.
import { gripperJoints, jointNames } from "../arm/joints.ts";
import { fileCondition } from "../survey/file-condition.ts";
import { type Problem, reasonOf } from "../survey/problem.ts";
import type { Description } from "../survey/survey.ts";
import { type EpisodeBlock, readBlocks } from "./block.ts";
import { type EpisodeFacts, episodeFacts } from "./episode-facts.ts";

/** What the rows told. */
export interface RowFacts {
	/** One entry per episode and file, in order of reading. */
	readonly episodes: readonly EpisodeFacts[];
	readonly numRows: number;
	/** Data files that could not be read. */
	readonly unreadable: ReadonlySet<string>;
	readonly problems: readonly Problem[];
}

/** Options of {@link passRows}. */
export interface RowsPassOptions {
	/** Largest accepted difference between a timestamp and frame_index / fps, seconds. */
	readonly toleranceS: number;
	/** Sees every block before it is dropped. */
	readonly onBlock?: (block: EpisodeBlock) => void;
	readonly signal?: AbortSignal | undefined;
}

/** Reads every data file once; a file that cannot be read becomes a problem. */
export async function passRows(
	{ info, tasks, episodes, dataFiles }: Description,
	{ toleranceS, onBlock, signal }: RowsPassOptions,
): Promise<RowFacts> {
	const found: EpisodeFacts[] = [];
	const problems: Problem[] = [];
	const unreadable = new Set<string>();
	const expected = {
		fps: info.fps,
		toleranceS,
		numTasks: tasks?.length ?? null,
		grippers: {
			state: gripperJoints(jointNames(info.features["observation.state"])),
			action: gripperJoints(jointNames(info.features["action"])),
		},
	};
	const missing = new Map<string, string[]>();
	const episodesIn = (file: string): number[] =>
		(episodes ?? []).filter(({ dataPath }) => dataPath === file).map(({ index }) => index);
	for (const file of dataFiles) {
		const concerned = { file, episodes: episodesIn(file) };
		const condition = await fileCondition(file);
		if (condition !== "ok") {
			unreadable.add(file);
			problems.push({ ...DAMAGE[condition], ...concerned });
			continue;
		}
		try {
			const read = await readBlocks(file, info.features, { signal });
			for (const column of read.missingColumns) missing.set(column, [...(missing.get(column) ?? []), file]);
			for (const [feature, { count, length }] of read.wrongLengths) {
				const wanted = info.features[feature]?.shape[0] ?? 0;
				problems.push({
					code: "shape-mismatch",
					message: `${feature} has ${length} numbers in ${count} rows, info.json says ${wanted}`,
					...concerned,
				});
			}
			for (const block of read.blocks) {
				onBlock?.(block);
				found.push(episodeFacts(block, expected));
			}
		} catch (cause) {
			signal?.throwIfAborted();
			unreadable.add(file);
			problems.push({ code: "file-unreadable", message: reasonOf(cause), ...concerned });
		}
	}
	for (const [column, files] of missing) {
		problems.push({
			code: "feature-missing",
			message: `${files.length === 1 ? "a data file has" : `${files.length} data files have`} no column ${column}`,
			file: files[0] ?? "",
		});
	}
	return {
		episodes: found,
		numRows: found.reduce((sum, { numRows }) => sum + numRows, 0),
		unreadable,
		problems,
	};
}

/** What a file that is no file of its kind is reported as. */
export const DAMAGE = {
	missing: { code: "file-missing", message: "the file does not exist" },
	empty: { code: "file-unreadable", message: "the file is empty" },
	"lfs-pointer": { code: "lfs-pointer", message: "the file is only a git-LFS pointer" },
} as const satisfies Readonly<Record<string, Pick<Problem, "code" | "message">>>;
