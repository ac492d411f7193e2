// Rules about files, info.json and the tables: mostly what reading met on its way.
import type { Evidence } from "../evidence.ts";
import type { Hit, Rule } from "../rule.ts";
import { someOf } from "../rule.ts";
import type { ProblemCode } from "../survey/problem.ts";

/** Hits for the problems of one code. */
export function reported(code: ProblemCode): (evidence: Pick<Evidence, "problems">) => Hit[] {
	return ({ problems }) =>
		problems
			.filter((problem) => problem.code === code)
			.map(({ message, file, episodes, camera }) => ({
				message,
				...(file === undefined ? {} : { file }),
				...(episodes === undefined || episodes.length === 0 ? {} : { episodes }),
				...(camera === undefined ? {} : { camera }),
			}));
}

function countMismatches({ info, hasCounts, episodes, tasks, rows }: Evidence): Hit[] {
	if (!hasCounts) return [];
	const numFrames = (episodes ?? []).reduce((sum, { length }) => sum + length, 0);
	const counts: readonly (readonly [string, number, number | null])[] = [
		["total_episodes", info.total_episodes, episodes?.length ?? null],
		["total_frames", info.total_frames, episodes === null ? null : numFrames],
		["total_tasks", info.total_tasks, tasks?.length ?? null],
	];
	const hits = counts.flatMap(([key, claimed, found]) =>
		found === null || found === claimed
			? []
			: [{ message: `info.json says ${key} ${claimed}, the tables hold ${found}` }],
	);
	const hasAllRows = rows.unreadable.size === 0;
	if (hits.length === 0 && hasAllRows && rows.numRows !== info.total_frames) {
		hits.push({
			message: `info.json says total_frames ${info.total_frames}, the data files hold ${rows.numRows} rows`,
		});
	}
	return hits;
}

function duplicateReferences({ episodes }: Evidence): Hit[] {
	const hits: Hit[] = [];
	const byIndex = new Map<number, number>();
	for (const { index } of episodes ?? []) byIndex.set(index, (byIndex.get(index) ?? 0) + 1);
	const listed = [...byIndex].filter(([, count]) => count > 1).map(([index]) => index);
	if (listed.length > 0) {
		hits.push({ message: `the episode table lists ${someOf(listed)} more than once`, episodes: listed });
	}
	const ordered = [...(episodes ?? [])]
		.filter(({ index }) => byIndex.get(index) === 1)
		.sort((a, b) => a.fromIndex - b.fromIndex);
	for (const [at, episode] of ordered.entries()) {
		const before = ordered[at - 1];
		if (before === undefined || episode.fromIndex >= before.toIndex) continue;
		hits.push({
			message: `episodes ${before.index} and ${episode.index} both claim rows from ${episode.fromIndex} on`,
			episodes: [before.index, episode.index],
			file: episode.dataPath,
		});
	}
	return hits;
}

/** The rules, in the order of the documentation. */
export const FILE_RULES: readonly Rule[] = [
	{
		code: "info-invalid",
		severity: "error",
		subject: "files",
		summary: "info.json is not JSON, or a key has the wrong form.",
		cure: "Correct the key that the message names, or download meta/info.json again.",
		fix: "copy",
		check: reported("info-invalid"),
	},
	{
		code: "version-unsupported",
		severity: "error",
		subject: "files",
		summary: "The format is not v2.0, v2.1 or v3.0.",
		cure: "Convert the dataset with LeRobot's converters to v2.1 or v3.0.",
		fix: "manual",
		check: reported("version-unsupported"),
	},
	{
		code: "lfs-pointer",
		severity: "error",
		subject: "files",
		summary: "A file is only a git-LFS pointer: the data behind it was never downloaded.",
		cure: "Run `git lfs pull` in the dataset's folder, or download it with zk0 or huggingface-cli.",
		fix: "quarantine",
		check: reported("lfs-pointer"),
	},
	{
		code: "file-missing",
		severity: "error",
		subject: "files",
		summary: "A file that the metadata names does not exist.",
		cure: "Download or copy the file again, or leave its episodes out.",
		fix: "quarantine",
		check: reported("file-missing"),
	},
	{
		code: "file-unreadable",
		severity: "error",
		subject: "files",
		summary: "A data or video file is truncated or damaged.",
		cure: "Download or copy the file again, or leave its episodes out.",
		fix: "quarantine",
		check: reported("file-unreadable"),
	},
	{
		code: "file-unreferenced",
		severity: "warning",
		subject: "files",
		summary: "A data file lies in data/ that no episode refers to; LeRobot loads every file there.",
		cure: "Remove the file, or write a repaired copy.",
		fix: "copy",
		check: reported("file-unreferenced"),
	},
	{
		code: "metadata-unreadable",
		severity: "error",
		subject: "files",
		summary: "A table of tasks, episodes or statistics is damaged.",
		cure: "Download the files of meta/ again.",
		fix: "manual",
		check: reported("metadata-unreadable"),
	},
	{
		code: "count-mismatch",
		severity: "error",
		subject: "files",
		summary: "info.json counts other episodes, frames or tasks than there are.",
		cure: "Download what is missing, or write a repaired copy with counts that are true.",
		fix: "copy",
		check: countMismatches,
	},
	{
		code: "duplicate-reference",
		severity: "error",
		subject: "files",
		summary: "An episode is listed twice, or two episodes claim the same rows: readers load them twice.",
		cure: "Write a repaired copy, which has every episode once.",
		fix: "copy",
		check: duplicateReferences,
	},
	{
		code: "feature-missing",
		severity: "error",
		subject: "files",
		summary: "info.json lacks observation.state or action, or a data file lacks a column.",
		cure: "Record or convert the dataset again with states and actions; a policy needs both.",
		fix: "manual",
		check: (evidence) => [
			...["observation.state", "action"]
				.filter((feature) => evidence.info.features[feature] === undefined)
				.map((feature) => ({ message: `info.json has no feature ${feature}` })),
			...reported("feature-missing")(evidence),
		],
	},
	{
		code: "shape-mismatch",
		severity: "error",
		subject: "files",
		summary: "Vectors in the data files have another length than info.json says.",
		cure: "Correct the shape in info.json if all rows agree, otherwise leave the episodes out.",
		fix: "quarantine",
		check: reported("shape-mismatch"),
	},
];

/** For what zk0's own reader refuses although every check passed: judged after the others, not by a row. */
export const REFUSED_RULE: Omit<Rule, "check"> = {
	code: "refused",
	severity: "error",
	subject: "files",
	summary: "zk0's reader refuses the dataset for a reason that no other check names.",
	cure: "Follow the message, or write a repaired copy.",
	fix: "copy",
};
