// The one pass over the pictures: planned frames, in order, a batch at a time; a frame that cannot be had is a fact
// like any other.
import { createFrameReader, DatasetError, type Episode, type FrameReader, type RgbImage } from "@zk0/dataset";
import type { EpisodeFacts } from "../rows/episode-facts.ts";
import { DAMAGE } from "../rows/rows-pass.ts";
import { type ContainerFacts, readContainer } from "../survey/container.ts";
import { fileCondition } from "../survey/file-condition.ts";
import { type Problem, reasonOf } from "../survey/problem.ts";
import type { Description } from "../survey/survey.ts";
import { datasetView } from "../view.ts";
import { budgetPerVideo, planFrames } from "./plan.ts";
import { VideoCollector, type VideoFacts } from "./video-facts.ts";

/** What the pictures told. */
export interface PictureFacts {
	readonly videos: readonly VideoFacts[];
	/** By absolute path of the video file. */
	readonly containers: ReadonlyMap<string, ContainerFacts>;
	readonly problems: readonly Problem[];
	readonly numDecoded: number;
}

/** Options of {@link passFrames}. */
export interface FramesPassOptions {
	/** Decode every frame. */
	readonly thorough: boolean;
	/** Sum of the joints' ranges over the dataset. */
	readonly armRange: number;
	/** Decoder processes. */
	readonly processes?: number | undefined;
	readonly onEpisode?: ((numDone: number, numEpisodes: number) => void) | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** Frames held at once per camera. */
const READ_AT_ONCE = 32;
/** A video is given up after this many frames that cannot be had. */
const MAX_FAILURES = 64;

/** Decodes the planned frames of every episode whose files are there. */
export async function passFrames(
	root: string,
	description: Description,
	rows: readonly EpisodeFacts[],
	options: FramesPassOptions,
): Promise<PictureFacts> {
	const { info, cameraKeys } = description;
	const { signal } = options;
	const known = new Map(rows.map((facts) => [facts.episodeIndex, facts]));
	const episodes = description.episodes ?? [];
	const { containers, problems, broken } = await inspectFiles(episodes, signal);
	const view = datasetView(root, description, { episodes });
	const budget = budgetPerVideo(episodes.length * cameraKeys.length, options.thorough);
	const videos: VideoFacts[] = [];
	const { processes } = options;
	await using reader = createFrameReader(view, processes === undefined ? {} : { processes });
	for (const [position, { index, length, videos: segments }] of episodes.entries()) {
		signal?.throwIfAborted();
		const facts = known.get(index);
		if (facts === undefined) continue;
		const speed = (facts.state ?? facts.action)?.speed ?? null;
		const numFrames = Math.min(facts.numFrames, facts.numRows, length);
		const cameras = cameraKeys.filter((camera) => {
			const segment = segments.get(camera);
			if (info.features[camera]?.dtype === "image") return true;
			return segment !== undefined && !broken.has(segment.path);
		});
		const read = cameras.map(async (camera) => {
			const plan = planFrames({ length: numFrames, speed, budget });
			const portrait = position === 0 ? (plan.frames[plan.frames.length >> 1] ?? null) : null;
			const collector = new VideoCollector({
				camera,
				episodeIndex: index,
				plan,
				speed,
				armRange: options.armRange,
				fps: info.fps,
				portrait,
			});
			await readPlanned(reader, { camera, position, frames: plan.frames }, collector, signal);
			return collector.finish();
		});
		videos.push(...(await Promise.all(read)));
		options.onEpisode?.(position + 1, episodes.length);
	}
	return {
		videos,
		containers,
		problems,
		numDecoded: videos.reduce((sum, { numDecoded }) => sum + numDecoded, 0),
	};
}

async function inspectFiles(
	episodes: readonly Episode[],
	signal: AbortSignal | undefined,
): Promise<{
	readonly containers: Map<string, ContainerFacts>;
	readonly problems: Problem[];
	readonly broken: ReadonlySet<string>;
}> {
	const users = new Map<string, { camera: string; episodes: number[] }>();
	for (const { index, videos } of episodes) {
		for (const [camera, { path }] of videos) {
			const user = users.get(path);
			if (user === undefined) users.set(path, { camera, episodes: [index] });
			else user.episodes.push(index);
		}
	}
	const containers = new Map<string, ContainerFacts>();
	const problems: Problem[] = [];
	const broken = new Set<string>();
	for (const [file, user] of users) {
		signal?.throwIfAborted();
		const condition = await fileCondition(file);
		const facts = condition === "ok" ? await readContainer(file) : null;
		if (facts !== null && typeof facts !== "string") {
			containers.set(file, facts);
			continue;
		}
		broken.add(file);
		const damage =
			condition === "ok" ? { code: "file-unreadable" as const, message: facts ?? "" } : DAMAGE[condition];
		problems.push({ ...damage, file, ...user });
	}
	return { containers, problems, broken };
}

async function readPlanned(
	reader: FrameReader,
	{
		camera,
		position,
		frames,
	}: { readonly camera: string; readonly position: number; readonly frames: readonly number[] },
	collector: VideoCollector,
	signal: AbortSignal | undefined,
): Promise<void> {
	const options = signal === undefined ? {} : { signal };
	for (let at = 0; at < frames.length; at += READ_AT_ONCE) {
		const batch = frames.slice(at, at + READ_AT_ONCE);
		const requests = batch.map((frameIndex) => ({ episodeIndex: position, frameIndex, camera }));
		let images: readonly (RgbImage | DatasetError)[];
		try {
			images = await reader.read(requests, options);
		} catch (cause) {
			signal?.throwIfAborted();
			if (!(cause instanceof DatasetError)) throw cause;
			images = await Promise.all(requests.map((request) => readOne(reader, request, options)));
		}
		for (const [offset, image] of images.entries()) {
			const frame = batch[offset] ?? 0;
			if (image instanceof DatasetError) {
				collector.fail(frame, image.code === "frame-timestamp" ? "off-time" : "unreadable", reasonOf(image));
			} else collector.add(frame, image);
		}
		if (collector.numFailed > MAX_FAILURES) return;
	}
}

async function readOne(
	reader: FrameReader,
	request: Parameters<FrameReader["read"]>[0][number],
	options: { readonly signal?: AbortSignal },
): Promise<RgbImage | DatasetError> {
	try {
		const [image] = await reader.read([request], options);
		if (image === undefined) throw new RangeError("frame reader: no picture for a request");
		return image;
	} catch (cause) {
		if (cause instanceof DatasetError) return cause;
		throw cause;
	}
}
