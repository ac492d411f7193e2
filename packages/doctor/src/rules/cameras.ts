// Rules about cameras and their pictures.

import type { Evidence } from "../evidence.ts";
import type { FrameList } from "../frame-list.ts";
import { contradicts } from "../frames/camera-role.ts";
import { compareGrids } from "../frames/picture.ts";
import type { VideoFacts } from "../frames/video-facts.ts";
import { type BestLag, bestLag, joinSums, lagSums } from "../rows/correlation.ts";
import type { Hit, Rule } from "../rule.ts";
import { someOf } from "../rule.ts";
import { hitOf } from "./rows.ts";

function byCamera(evidence: Evidence): readonly (readonly [string, readonly VideoFacts[]])[] {
	return evidence.cameraKeys.map((key) => [
		key,
		evidence.pictures.videos.filter(({ camera }) => camera === key),
	]);
}

/** One hit per camera for the frames that `pick` names. */
function frameHits(
	evidence: Evidence,
	pick: (facts: VideoFacts) => FrameList & { readonly reason?: string },
	text: (count: number, decoded: number) => string,
): Hit[] {
	return byCamera(evidence).flatMap(([camera, videos]) => {
		const concerned = videos.filter((facts) => pick(facts).count > 0);
		const decoded = videos.reduce((sum, { numDecoded }) => sum + numDecoded, 0);
		const [first] = concerned;
		const reason = first === undefined ? undefined : pick(first).reason;
		return hitOf(
			concerned.map((facts) => {
				const { count, frames } = pick(facts);
				return { episode: facts.episodeIndex, count, frames };
			}),
			(count) => `${text(count, decoded)}${reason === undefined || reason === "" ? "" : `; ${reason}`}`,
			{ camera },
		);
	});
}

function videoLengths({ episodes, info, pictures }: Evidence): Hit[] {
	const hits: Hit[] = [];
	const needed = new Map<string, number>();
	for (const { index, length, videos } of episodes ?? []) {
		for (const [camera, { path, fromTimestamp, toTimestamp }] of videos) {
			const from = Math.round(fromTimestamp * info.fps);
			needed.set(path, Math.max(needed.get(path) ?? 0, from + length));
			const container = pictures.containers.get(path);
			if (container === undefined) continue;
			if (container.numFrames < from + length) {
				hits.push({
					message: `the video ends ${from + length - container.numFrames} frames before episode ${index} does`,
					episodes: [index],
					camera,
					file: path,
				});
			} else if (Math.abs((toTimestamp - fromTimestamp) * info.fps - length) > 1) {
				hits.push({
					message: `the table gives episode ${index} ${((toTimestamp - fromTimestamp) * info.fps).toFixed(0)} frames of video, its rows are ${length}`,
					episodes: [index],
					camera,
					file: path,
				});
			}
		}
	}
	for (const [file, numNeeded] of needed) {
		const extra = (pictures.containers.get(file)?.numFrames ?? 0) - numNeeded;
		if (extra > 1)
			hits.push({ message: `a video has ${extra} frames more than its episodes have rows`, file });
	}
	return hits;
}

/** Of a whole camera, and of a single episode, whose few seconds say less. */
const MIN_SYNC_CORRELATION = { camera: 0.6, episode: 0.75 };
/** How much better the pictures must fit when shifted. */
const MIN_SYNC_GAIN = { camera: 0.2, episode: 0.3 };
const MIN_SYNC_LAG_S = 0.1;

function outOfSync(evidence: Evidence): Hit[] {
	const minLag = Math.max(2, Math.round(MIN_SYNC_LAG_S * evidence.info.fps));
	const isLate = ({ lag, correlation, unshifted }: BestLag, of: "camera" | "episode"): boolean =>
		Math.abs(lag) >= minLag &&
		correlation >= MIN_SYNC_CORRELATION[of] &&
		correlation - unshifted >= MIN_SYNC_GAIN[of];
	return byCamera(evidence).flatMap(([camera, videos]) => {
		const known = videos.flatMap(({ episodeIndex, sync }) => (sync === null ? [] : [{ episodeIndex, sync }]));
		const [first] = known;
		if (first === undefined) return [];
		const total = lagSums(first.sync.maxLag);
		for (const { sync } of known) joinSums(total, sync);
		const all = bestLag(total);
		const late = known.flatMap(({ episodeIndex, sync }) => {
			const best = bestLag(sync);
			return best !== null && isLate(best, "episode") ? [{ episodeIndex, ...best }] : [];
		});
		const isAll = all !== null && isLate(all, "camera");
		const lag = isAll ? all.lag : (late[0]?.lag ?? 0);
		if (!isAll && late.length === 0) return [];
		const frames = Math.abs(lag);
		const ms = Math.round((frames / evidence.info.fps) * 1000);
		const message = `pictures come ${frames} frames (${ms} ms) ${lag > 0 ? "after" : "before"} the motion they show`;
		return [
			isAll
				? { message, camera }
				: { message, camera, episodes: late.map(({ episodeIndex }) => episodeIndex) },
		];
	});
}

/** Codec names of info.json that mean the same; encoders are written there too. */
const CODEC_ALIASES: Readonly<Record<string, string>> = {
	libsvtav1: "av1",
	libaom_av1: "av1",
	libx264: "h264",
	avc1: "h264",
	libx265: "hevc",
	h265: "hevc",
	mp4v: "mpeg4",
};

function codecs({ info, episodes, pictures, cameraKeys }: Evidence): Hit[] {
	return cameraKeys.flatMap((camera) => {
		const written = info.features[camera]?.info?.["video.codec"];
		const path = episodes
			?.find(({ videos }) => pictures.containers.has(videos.get(camera)?.path ?? ""))
			?.videos.get(camera)?.path;
		const found = path === undefined ? undefined : pictures.containers.get(path)?.codec;
		if (typeof written !== "string" || found === undefined) return [];
		const claimed = CODEC_ALIASES[written.toLowerCase().replaceAll("-", "_")] ?? written.toLowerCase();
		return claimed === found ? [] : [{ message: `info.json says ${written}, the video is ${found}`, camera }];
	});
}

function sizes(evidence: Evidence): Hit[] {
	return byCamera(evidence).flatMap(([camera, videos]) => {
		const shape = evidence.info.features[camera]?.shape ?? [];
		const found = videos.flatMap(({ size, episodeIndex }) => (size === null ? [] : [{ size, episodeIndex }]));
		const isClaimed = ([height, width]: readonly [number, number]): boolean => {
			// [height, width, 3] or [3, height, width]; both are in use.
			const [a = 0, b = 0, c = 0] = shape;
			return (a === height && b === width) || (b === height && c === width);
		};
		const wrong = found.filter(({ size }) => !isClaimed(size));
		const [first] = wrong;
		if (first === undefined) return [];
		return [
			{
				message: `pictures are ${first.size.join("x")}, info.json says ${shape.join("x")}`,
				camera,
				...(wrong.length === found.length ? {} : { episodes: wrong.map(({ episodeIndex }) => episodeIndex) }),
			},
		];
	});
}

/** Cameras that show the same picture at the first frame of every episode. */
function sameCameras(evidence: Evidence): Hit[] {
	const cameras = byCamera(evidence);
	return cameras.flatMap(([camera, videos], at) =>
		cameras.slice(at + 1).flatMap(([other, others]) => {
			const pairs = videos.flatMap(({ episodeIndex, firstGrid, blank }) => {
				const twin = others.find((facts) => facts.episodeIndex === episodeIndex);
				return firstGrid === null || twin?.firstGrid == null || blank.count > 0 || twin.blank.count > 0
					? []
					: [compareGrids(firstGrid, twin.firstGrid)];
			});
			const isSame = pairs.length > 0 && pairs.every(({ mean, max }) => mean < 2 && max < 8);
			return isSame ? [{ message: `${camera} and ${other} show the same picture`, camera: other }] : [];
		}),
	);
}

/** The rules, in the order of the documentation. */
export const CAMERA_RULES: readonly Rule[] = [
	{
		code: "state-only",
		severity: "info",
		subject: "cameras",
		summary: "There is no camera; SmolVLA needs at least one.",
		cure: "Record with a camera, or use the dataset only with policies that work on states.",
		fix: "manual",
		check: ({ cameraKeys }) =>
			cameraKeys.length === 0 ? [{ message: "no feature is a video or a picture" }] : [],
	},
	{
		code: "camera-unnamed",
		severity: "info",
		subject: "cameras",
		summary: "A camera's name does not tell where it is mounted.",
		cure: "Check the role that the pictures suggest, and the camera map of the profile.",
		fix: "profile",
		check: ({ roles }) =>
			[...roles].flatMap(([camera, { role, from }]) =>
				from === "name"
					? []
					: [
							{
								message: `${camera} ${role === null ? "could be any camera" : `looks like a ${role} camera`}`,
								camera,
							},
						],
			),
	},
	{
		code: "camera-role-mismatch",
		severity: "warning",
		subject: "cameras",
		summary: "A camera called wrist stands still, or one called top, front or side moves with the arm.",
		cure: "Swap the cameras in the profile's camera map if they were mixed up.",
		fix: "manual",
		check: ({ roles }) =>
			[...roles].flatMap(([camera, guess]) =>
				contradicts(guess)
					? [
							{
								message: `${camera} should ${guess.role === "wrist" ? "move with the arm but stands" : "stand but moves with the arm"}`,
								camera,
							},
						]
					: [],
			),
	},
	{
		code: "camera-duplicate",
		severity: "warning",
		subject: "cameras",
		summary: "Two cameras show the same picture.",
		cure: "Leave one of them out of the camera map, and check the camera indices of the recording.",
		fix: "manual",
		check: sameCameras,
	},
	{
		code: "codec-mismatch",
		severity: "info",
		subject: "pictures",
		summary: "info.json names another codec than the video has.",
		cure: "Nothing needs to be done: zk0 reads the codec from the video. A repaired copy says it right.",
		fix: "copy",
		check: codecs,
	},
	{
		code: "picture-size",
		severity: "warning",
		subject: "pictures",
		summary: "Pictures have another size than info.json says.",
		cure: "Nothing needs to be done for zk0, which uses the real size; a repaired copy says it right.",
		fix: "copy",
		check: sizes,
	},
	{
		code: "video-length",
		severity: "error",
		subject: "pictures",
		summary: "A video has fewer or more frames than its episodes have rows.",
		cure: "Download the video again, or leave the episodes out.",
		fix: "quarantine",
		check: videoLengths,
	},
	{
		code: "frame-unreadable",
		severity: "error",
		subject: "pictures",
		summary: "A frame cannot be decoded.",
		cure: "Download the video again, or leave the episodes out.",
		fix: "quarantine",
		check: (evidence) =>
			frameHits(
				evidence,
				({ unreadable }) => unreadable,
				(count) => `${count} of the frames tried cannot be decoded`,
			),
	},
	{
		code: "frame-timestamp",
		severity: "error",
		subject: "pictures",
		summary: "The video has no frame at a row's time.",
		cure: "Download the video again, or leave the episodes out.",
		fix: "quarantine",
		check: (evidence) =>
			frameHits(
				evidence,
				({ offTime }) => offTime,
				(count) => `${count} of the frames tried are not in the video at their time`,
			),
	},
	{
		code: "frames-black",
		severity: "warning",
		subject: "pictures",
		summary: "Pictures are black or of one colour: a covered lens, or a camera that had not started.",
		cure: "Leave the episodes out.",
		fix: "quarantine",
		check: (evidence) =>
			frameHits(
				evidence,
				({ blank }) => blank,
				(count, decoded) => `${count} of ${decoded} frames are blank`,
			),
	},
	{
		code: "frames-frozen",
		severity: "warning",
		subject: "pictures",
		summary: "The picture stands still while the arm moves: the camera hung.",
		cure: "Leave the episodes out.",
		fix: "quarantine",
		check: (evidence) =>
			frameHits(
				evidence,
				({ frozen }) => frozen,
				(count, decoded) => `${count} of ${decoded} frames are frozen`,
			),
	},
	{
		code: "video-out-of-sync",
		severity: "warning",
		subject: "pictures",
		summary: "What the pictures show comes before or after the motion that the rows record.",
		cure: "Leave the episodes out, or record again with a camera of less delay.",
		fix: "quarantine",
		check: outOfSync,
	},
];

/** Codes of the rules that mean "more than one dataset holds the same": judged across datasets, not by a row. */
export const OVERLAP_RULE: Omit<Rule, "check"> = {
	code: "dataset-overlap",
	severity: "warning",
	subject: "episodes",
	summary: "An episode is also in another of the datasets that were examined together.",
	cure: "Leave the episodes out at one of the sites: shared recordings make a federation look better than it is.",
	fix: "quarantine",
};

/** For messages about several datasets. */
export function overlapMessage(count: number, other: string, episodes: readonly number[]): string {
	return `${count} episodes (${someOf(episodes)}) are also in ${other}`;
}
