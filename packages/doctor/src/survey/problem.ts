// Damage met while reading: what a reader would throw for is kept, and reading goes on.
import { DatasetError } from "@zk0/dataset";

/** Codes of the rules that report what reading met. */
export type ProblemCode =
	| "info-invalid"
	| "metadata-unreadable"
	| "lfs-pointer"
	| "file-missing"
	| "file-unreadable"
	| "file-unreferenced"
	| "feature-missing"
	| "shape-mismatch"
	| "version-unsupported";

/** One piece of damage. */
export interface Problem {
	readonly code: ProblemCode;
	readonly message: string;
	/** Absolute path. */
	readonly file?: string;
	readonly episodes?: readonly number[];
	readonly camera?: string;
}

/** The text of anything caught, without the code that our own errors put in front. */
export function reasonOf(cause: unknown): string {
	const text = cause instanceof Error ? cause.message : String(cause);
	return cause instanceof DatasetError ? text.replace(/^\[[a-z-]+\] /, "") : text;
}
