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

/** Requests to the encoder process. */
export type EncodeRequest =
	| EncodeSetup
	| { readonly kind: "begin"; readonly numFrames: number }
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
	| { readonly kind: "consumed"; readonly sizeBytes: number }
	| { readonly kind: "episode"; readonly videos: readonly EpisodeVideo[] }
	| { readonly kind: "finished" }
	| { readonly kind: "failed"; readonly message: string; readonly file: string };
