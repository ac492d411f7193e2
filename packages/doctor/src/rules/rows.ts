// Rules about the order, timing and numbers of the rows.
import type { Evidence } from "../evidence.ts";
import type { FrameList } from "../frame-list.ts";
import type { EpisodeFacts } from "../rows/episode-facts.ts";
import type { EpisodeFrames, Hit, Rule } from "../rule.ts";
import { someOf } from "../rule.ts";

function framesOf(
	rows: readonly EpisodeFacts[],
	pick: (facts: EpisodeFacts) => FrameList,
): readonly EpisodeFrames[] {
	return rows.flatMap((facts) => {
		const { count, frames } = pick(facts);
		return count === 0 ? [] : [{ episode: facts.episodeIndex, count, frames }];
	});
}

/** One hit for everything that `frames` lists; none for an empty list. */
export function hitOf(
	frames: readonly EpisodeFrames[],
	message: (count: number) => string,
	rest: Omit<Hit, "message" | "episodes" | "frames"> = {},
): Hit[] {
	if (frames.length === 0) return [];
	const episodes = [...new Set(frames.map(({ episode }) => episode))].sort((a, b) => a - b);
	const count = frames.reduce((sum, entry) => sum + entry.count, 0);
	return [{ message: message(count), episodes, frames, ...rest }];
}

function lengthMismatches({ episodes, rowsByEpisode, rows }: Evidence): Hit[] {
	const hits: Hit[] = [];
	for (const { index, length, dataPath } of episodes ?? []) {
		if (rows.unreadable.has(dataPath)) continue;
		const found = rowsByEpisode.get(index)?.[0]?.numFrames ?? 0;
		if (found === length) continue;
		hits.push({
			message: `episode ${index} should have ${length} frames, its rows make ${found}`,
			episodes: [index],
			file: dataPath,
		});
	}
	const known = new Set((episodes ?? []).map(({ index }) => index));
	const extra = episodes === null ? [] : [...rowsByEpisode.keys()].filter((index) => !known.has(index));
	if (extra.length > 0) {
		hits.push({
			message: `the episode table does not list ${someOf(extra)}, which the data files hold`,
			episodes: extra,
		});
	}
	return hits;
}

function doubledRows({ rowsByEpisode, layout }: Evidence): Hit[] {
	const hits: Hit[] = [];
	const inFile = [...rowsByEpisode.values()].flatMap(([first]) => (first === undefined ? [] : [first]));
	hits.push(
		...hitOf(
			framesOf(inFile, ({ doubled }) => doubled),
			(count) => `${count} frames occur more than once`,
		),
	);
	const acrossFiles = [...rowsByEpisode].filter(([, facts]) => facts.length > 1);
	if (acrossFiles.length > 0) {
		const episodes = acrossFiles.map(([index]) => index);
		hits.push({ message: `rows of ${someOf(episodes)} stand in more than one data file`, episodes });
	}
	const ranges = layout.hasGlobalIndex
		? inFile.flatMap(({ episodeIndex, indexRange }) =>
				indexRange === null ? [] : [{ episodeIndex, from: indexRange[0], to: indexRange[1] }],
			)
		: [];
	ranges.sort((a, b) => a.from - b.from || a.episodeIndex - b.episodeIndex);
	const overlapping = ranges.flatMap(({ episodeIndex, from }, at) => {
		const before = ranges[at - 1];
		return before !== undefined && from <= before.to ? [episodeIndex] : [];
	});
	if (overlapping.length > 0) {
		hits.push({
			message: `column index of ${someOf(overlapping)} repeats numbers of the episode before`,
			episodes: overlapping.sort((a, b) => a - b),
		});
	}
	return hits;
}

function gaps({ rows, layout }: Evidence): Hit[] {
	const unordered = rows.episodes.filter(({ isOrdered, doubled }) => !isOrdered && doubled.count === 0);
	return [
		...hitOf(
			framesOf(rows.episodes, ({ missing }) => missing),
			(count) => `${count} frames are missing between others`,
		),
		...hitOf(
			unordered.map(({ episodeIndex, numRows }) => ({ episode: episodeIndex, count: numRows, frames: [] })),
			() => "rows do not stand in the order of their frame_index",
		),
		...hitOf(
			layout.hasGlobalIndex
				? framesOf(
						rows.episodes.filter(({ isOrdered, doubled }) => isOrdered && doubled.count === 0),
						({ brokenIndex }) => brokenIndex,
					)
				: [],
			(count) => `column index does not count on in ${count} rows`,
		),
	];
}

function timestampErrors({ rows, info, purpose }: Evidence): Hit[] {
	const off = rows.episodes.filter(({ timing }) => timing.off.count > 0);
	const worst = Math.max(0, ...off.map(({ timing }) => timing.maxErrorS));
	return hitOf(
		framesOf(off, ({ timing }) => timing.off),
		(count) =>
			`${count} timestamps are not frame_index/${info.fps}: up to ${worst.toPrecision(3)} s off, ${purpose.toleranceS} s are accepted`,
	);
}

function oddRates({ rows, info, pictures }: Evidence): Hit[] {
	const hits: Hit[] = [];
	if (!Number.isInteger(info.fps) || info.fps < 5 || info.fps > 120)
		hits.push({ message: `info.json says ${info.fps} frames per second` });
	const rates = rows.episodes.flatMap(({ timing, numFrames }) =>
		timing.measuredFps === null || numFrames < 10 ? [] : [timing.measuredFps],
	);
	const median = rates.sort((a, b) => a - b)[rates.length >> 1];
	if (median !== undefined && Math.abs(median / info.fps - 1) > 0.02)
		hits.push({
			message: `timestamps run at ${median.toFixed(2)} frames per second, info.json says ${info.fps}`,
		});
	for (const [file, { fps, numFrames }] of pictures.containers) {
		if (fps === null || numFrames < 10 || Math.abs(fps / info.fps - 1) <= 0.02) continue;
		hits.push({
			message: `a video runs at ${fps.toFixed(2)} frames per second, info.json says ${info.fps}`,
			file,
		});
		break;
	}
	return hits;
}

/** The rules, in the order of the documentation. */
export const ROW_RULES: readonly Rule[] = [
	{
		code: "episode-length",
		severity: "error",
		subject: "rows",
		summary: "An episode has more or fewer rows than the episode table says, or is not in the table.",
		cure: "Download the dataset again, or leave the episodes out.",
		fix: "quarantine",
		check: lengthMismatches,
	},
	{
		code: "index-doubled",
		severity: "error",
		subject: "rows",
		summary: "Rows occur more than once, within a file or in two files.",
		cure: "Write a repaired copy, which has every frame once.",
		fix: "copy",
		check: doubledRows,
	},
	{
		code: "index-gap",
		severity: "error",
		subject: "rows",
		summary: "Frames are missing inside an episode, or rows are out of order.",
		cure: "Leave the episodes out, or record them again.",
		fix: "quarantine",
		check: gaps,
	},
	{
		code: "timestamp-mismatch",
		severity: "error",
		subject: "rows",
		summary:
			"A timestamp is not frame_index / fps within the tolerance: frames were dropped, or fps is wrong.",
		cure: "Correct fps in info.json if it is wrong; otherwise write a repaired copy, which has every frame at frame_index / fps.",
		fix: "copy",
		check: timestampErrors,
	},
	{
		code: "fps-odd",
		severity: "warning",
		subject: "rows",
		summary: "info.json's fps is no usual rate, or rows or videos run at another one.",
		cure: "Correct fps in info.json to the rate of the recording.",
		fix: "manual",
		check: oddRates,
	},
	{
		code: "not-finite",
		severity: "error",
		subject: "rows",
		summary: "States or actions hold NaN, infinity or nothing at all.",
		cure: "Leave the episodes out; a single NaN ends a training run.",
		fix: "quarantine",
		check: ({ rows }) =>
			(["state", "action"] as const).flatMap((vector) =>
				hitOf(
					framesOf(rows.episodes, (facts) => facts[vector]?.nonFinite ?? { count: 0, frames: [] }),
					(count) =>
						`${vector === "state" ? "observation.state" : "action"} is not finite in ${count} frames`,
				),
			),
	},
];
