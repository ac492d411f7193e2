// Which videos of the sources can be copied into a new dataset, and which must be encoded again.
import { type EpisodeSelection, notConvertible } from "./compose-checks.ts";
import type { LeRobotDataset } from "./dataset.ts";
import { episodeImageStats } from "./dataset-stats.ts";
import { DatasetError } from "./errors.ts";
import { createFrameReader, type FrameReader } from "./frame-reader.ts";
import type { CameraSpec } from "./info.ts";
import type { Stats } from "./stats.ts";
import type { VideoCodec } from "./video/codec.ts";
import type { CutProbe, CutSpec } from "./video/encode-protocol.ts";
import { probeVideoCuts } from "./video/encoder-process.ts";
import type { VideoCut } from "./writer.ts";

/** What happened to a camera's videos. */
export interface VideoAccount {
	/** Codec of the new videos. */
	readonly codec: string;
	/** Episodes whose compressed frames were copied. */
	readonly copied: number;
	/** Episodes encoded again. */
	readonly encoded: number;
	/** Why, for the first of them; null when all were copied. */
	readonly reason: string | null;
}

/** The videos of a new dataset. */
export interface CameraPlans {
	readonly cameras: readonly CameraSpec[];
	/** Codec of what is encoded. */
	readonly codec: VideoCodec;
	readonly account: Readonly<Record<string, VideoAccount>>;
	/** What to copy for an episode; null when its frames have to be decoded. */
	cutOf(
		dataset: LeRobotDataset,
		episodeIndex: number,
		camera: string,
		reader: FrameReader,
	): Promise<VideoCut | null>;
}

interface PlannedCut {
	readonly dataset: LeRobotDataset;
	readonly episodeIndex: number;
	readonly camera: string;
	/** Null for pictures in the rows. */
	readonly spec: CutSpec | null;
	/** What its video is; null for pictures in the rows. */
	readonly probe: CutProbe | null;
}

/** Looks at every episode's videos; errors as composeDataset. */
export async function cameraPlans(
	selections: readonly EpisodeSelection[],
	cameras: readonly string[],
	{ codec: wanted, signal }: { codec: VideoCodec | undefined; signal?: AbortSignal },
): Promise<CameraPlans> {
	const abort = signal === undefined ? {} : { signal };
	const planned = await probeAll(selections, cameras, abort);
	const codecs = new Set(planned.map(({ probe }) => probe?.codec));
	const codec = wanted ?? (codecs.size === 1 && codecs.has("h264") ? "h264" : "av1");
	const specs: CameraSpec[] = [];
	const account: Record<string, VideoAccount> = {};
	const copied = new Map<LeRobotDataset, Map<string, CutSpec>>();
	for (const key of cameras) {
		const mine = planned.filter(({ camera }) => camera === key);
		const { height, width } = await sizeOf(mine, abort);
		const kinds = new Set(mine.map(({ probe }) => `${probe?.codec} ${probe?.pixelFormat}`));
		const isUniform = kinds.size === 1 && mine.every(({ probe }) => probe?.problem === null);
		const reasons = mine.map(({ probe }) =>
			reasonToEncode(probe, { codec, isUniform, isForced: wanted !== undefined }),
		);
		const numCopied = reasons.filter((reason) => reason === null).length;
		if (numCopied < mine.length && (height % 2 !== 0 || width % 2 !== 0 || Math.min(height, width) < 64)) {
			throw notConvertible(
				mine[0]?.dataset.root ?? "",
				`${key} is ${height}x${width}, videos to encode need even sizes from 64 on`,
			);
		}
		const [first] = mine.filter((_, index) => reasons[index] === null);
		const { probe } = first ?? {};
		specs.push({
			key,
			height,
			width,
			...(probe ? { copied: { codec: probe.codec, pixelFormat: probe.pixelFormat } } : {}),
		});
		for (const [index, { dataset, episodeIndex, spec }] of mine.entries()) {
			if (reasons[index] !== null || spec === null) continue;
			const cuts = copied.get(dataset) ?? new Map<string, CutSpec>();
			copied.set(dataset, cuts.set(`${episodeIndex}/${key}`, spec));
		}
		account[key] = {
			codec: probe?.codec ?? codec,
			copied: numCopied,
			encoded: mine.length - numCopied,
			reason: reasons.find((reason) => reason !== null) ?? null,
		};
	}
	const stored = new Map<LeRobotDataset, ReadonlyMap<number, Stats>>();
	return {
		cameras: specs,
		codec,
		account,
		async cutOf(dataset, episodeIndex, camera, reader) {
			const spec = copied.get(dataset)?.get(`${episodeIndex}/${camera}`);
			if (spec === undefined) return null;
			if (!stored.has(dataset)) stored.set(dataset, await dataset.readEpisodeStats(abort));
			const known = stored.get(dataset)?.get(episodeIndex)?.[camera];
			const isWhole = known?.q50 !== undefined && known.shape.join() === "3,1,1" && known.count > 0;
			const stats = isWhole
				? known
				: await episodeImageStats(dataset, { episodeIndex, camera }, reader, signal);
			return { ...spec, stats };
		},
	};
}

function reasonToEncode(
	probe: CutProbe | null,
	{ codec, isUniform, isForced }: { codec: VideoCodec; isUniform: boolean; isForced: boolean },
): string | null {
	if (isForced) return "it was asked for";
	if (probe === null) return "its pictures lie in the rows";
	if (isUniform) return null;
	if (probe.problem !== null) return probe.problem;
	return probe.codec === codec && probe.pixelFormat === "yuv420p"
		? null
		: `it is ${probe.codec} ${probe.pixelFormat}, other videos are not`;
}

async function probeAll(
	selections: readonly EpisodeSelection[],
	cameras: readonly string[],
	abort: { signal?: AbortSignal },
): Promise<PlannedCut[]> {
	const planned = selections.flatMap(({ dataset, episodes }) =>
		episodes.flatMap((episodeIndex) =>
			cameras.map((camera) => {
				const { length = 0, videos } = dataset.episodes[episodeIndex] ?? {};
				const segment = videos?.get(camera);
				const { fps, toleranceS } = dataset;
				const spec: CutSpec | null =
					segment === undefined
						? null
						: {
								path: segment.path,
								fromTimestamp: segment.fromTimestamp,
								numFrames: length,
								fps,
								toleranceS,
							};
				return { dataset, episodeIndex, camera, spec };
			}),
		),
	);
	const specs = planned.flatMap(({ spec }) => spec ?? []);
	const probes = (await probeVideoCuts(specs, abort)).values();
	return planned.map((cut) => ({ ...cut, probe: cut.spec === null ? null : (probes.next().value ?? null) }));
}

/** The size of a camera's pictures: as the videos have it, since that of info.json may be transposed or wrong. */
async function sizeOf(
	cuts: readonly PlannedCut[],
	abort: { signal?: AbortSignal },
): Promise<{ height: number; width: number }> {
	const sizes = new Map<string, { height: number; width: number; root: string }>();
	const decoded = new Set<LeRobotDataset>();
	for (const { dataset, episodeIndex, camera, probe } of cuts) {
		const { root } = dataset;
		if (probe !== null && probe.height > 0) {
			sizes.set(`${probe.height}x${probe.width}`, { height: probe.height, width: probe.width, root });
		} else if (!decoded.has(dataset)) {
			decoded.add(dataset);
			await using reader = createFrameReader(dataset, { processes: 1 });
			const [image] = await reader.read([{ episodeIndex, frameIndex: 0, camera }], abort);
			if (image === undefined) continue;
			sizes.set(`${image.height}x${image.width}`, { height: image.height, width: image.width, root });
		}
	}
	const [size, other] = sizes.values();
	if (size === undefined) throw new RangeError("compose: a camera without pictures");
	if (other === undefined) return size;
	throw new DatasetError(
		"not-mergeable",
		`${other.root}: ${cuts[0]?.camera} is ${other.height}x${other.width} but ${size.height}x${size.width} in ${size.root}; a camera has one size, record or scale them alike`,
		{ file: other.root },
	);
}
