// Messages between the writer and its encoder process (node:child_process, "advanced" serialization).
// Frames of several cameras may interleave; each camera's frames come in order.
import type { CodecSettings } from "./codec.ts";

/** What an encoder process needs to know before the first frame. */
export interface EncodeSetup {
	readonly kind: "setup";
	/** Dataset root (the writer's temporary folder); files go below it. */
	readonly root: string;
	readonly pathTemplate: string;
	readonly fps: number;
	readonly codec: CodecSettings;
	readonly fileSizeBytes: number;
	readonly filesPerChunk: number;
	readonly cameras: readonly { readonly key: string; readonly height: number; readonly width: number }[];
}

/** A stretch of a video file whose compressed frames are copied. */
export interface CutSpec {
	readonly path: string;
	/** Seconds in the file. */
	readonly fromTimestamp: number;
	readonly numFrames: number;
	/** Frames per second; frames lie at multiples of 1 / fps from `fromTimestamp` on. */
	readonly fps: number;
	/** Largest accepted distance from those multiples, seconds. */
	readonly toleranceS: number;
}

/** What a stretch of video is. */
export interface CutProbe {
	/** "av1", "h264", "hevc", "mpeg4" and so on, from the container. */
	readonly codec: string;
	/** FFmpeg's name, e.g. "yuv420p". */
	readonly pixelFormat: string;
	readonly height: number;
	readonly width: number;
	/** Why it cannot be copied without encoding again; null when it can. */
	readonly problem: string | null;
}

/** Requests to the encoder process; `probe` needs no setup. */
export type EncodeRequest =
	| EncodeSetup
	| { readonly kind: "probe"; readonly cuts: readonly CutSpec[] }
	/** By camera number: null where frames follow, what to copy otherwise. */
	| { readonly kind: "begin"; readonly numFrames: number; readonly cuts: readonly (CutSpec | null)[] }
	| { readonly kind: "frame"; readonly camera: number; readonly rgb: Uint8Array }
	| { readonly kind: "end" }
	| { readonly kind: "finish" };

/** Where one episode's video of one camera went; timestamps in seconds in that file. */
export interface EpisodeVideo {
	readonly camera: string;
	readonly chunkIndex: number;
	readonly fileIndex: number;
	readonly fromTimestamp: number;
	readonly toTimestamp: number;
}

/** Replies of the encoder process, in the order of the requests. */
export type EncodeReply =
	| { readonly kind: "probed"; readonly probes: readonly CutProbe[] }
	| { readonly kind: "consumed"; readonly sizeBytes: number }
	| { readonly kind: "episode"; readonly videos: readonly EpisodeVideo[] }
	| { readonly kind: "finished" }
	| { readonly kind: "failed"; readonly message: string; readonly file: string };
