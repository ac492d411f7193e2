// The one operational error of this package. Programmer errors (bad arguments) are TypeError or RangeError.

/** What went wrong, stable across versions. */
export type DatasetErrorCode =
	| "not-found"
	| "missing-file"
	| "lfs-pointer"
	| "bad-json"
	| "bad-metadata"
	| "unsupported-version"
	| "bad-parquet"
	| "count-mismatch"
	| "bad-index"
	| "episode-boundary"
	| "bad-timestamp"
	| "missing-feature"
	| "bad-stats"
	| "bad-video"
	| "bad-image"
	| "frame-timestamp"
	| "frame-quarantined"
	| "decoder-crashed"
	| "encoder-failed"
	| "bad-selection"
	| "bad-episode"
	| "no-episodes"
	| "not-convertible"
	| "not-mergeable"
	| "target-exists"
	| "write-failed"
	/** node-av, an optional package, is not installed. */
	| "not-installed";

/** Where an error happened; every field that is known is set. */
export interface DatasetErrorDetails {
	/** Absolute path of the file at fault. */
	readonly file?: string;
	readonly episodeIndex?: number;
	readonly frameIndex?: number;
	/** Dataset camera key, e.g. `observation.images.top`. */
	readonly camera?: string;
	readonly cause?: unknown;
}

/** A dataset on disk is wrong or could not be read or written; the message names the file and the cure. */
export class DatasetError extends Error {
	override readonly name = "DatasetError";
	readonly code: DatasetErrorCode;
	readonly file?: string;
	readonly episodeIndex?: number;
	readonly frameIndex?: number;
	readonly camera?: string;

	constructor(code: DatasetErrorCode, message: string, details: DatasetErrorDetails = {}) {
		super(`[${code}] ${message}`, details.cause === undefined ? undefined : { cause: details.cause });
		this.code = code;
		if (details.file !== undefined) this.file = details.file;
		if (details.episodeIndex !== undefined) this.episodeIndex = details.episodeIndex;
		if (details.frameIndex !== undefined) this.frameIndex = details.frameIndex;
		if (details.camera !== undefined) this.camera = details.camera;
	}
}

/** The text of anything caught, for messages that add context and keep the cause. */
export function causeText(cause: unknown): string {
	return cause instanceof Error ? cause.message : String(cause);
}
