// A rule is a row of a table: what it is called, how bad it is, what it looks at, what to do about it, and a pure
// function from the evidence to what it found. Everything that reads data is in the passes.

import type { Evidence } from "./evidence.ts";
import type { FrameList } from "./frame-list.ts";

/** How bad: errors stop or spoil training, warnings cost quality, infos are worth knowing. */
export type Severity = "error" | "warning" | "info";

/** What a rule looks at. */
export type Subject = "files" | "rows" | "tasks" | "statistics" | "arm" | "episodes" | "cameras" | "pictures";

/** Where the cure can be applied by `--fix`. */
export type Fix =
	/** By an entry of the site profile, or by writing a repaired copy. */
	| "profile"
	/** Only by writing a repaired copy. */
	| "copy"
	/** By leaving the episodes out, in a profile or a copy. */
	| "quarantine"
	/** By hand. */
	| "manual";

/** Frames of an episode that a hit concerns. */
export interface EpisodeFrames extends FrameList {
	readonly episode: number;
}

/** One thing found. */
export interface Hit {
	/** What is wrong here, with its numbers. */
	readonly message: string;
	/** Episodes concerned, ascending; absent for the whole dataset. */
	readonly episodes?: readonly number[];
	readonly frames?: readonly EpisodeFrames[];
	readonly camera?: string;
	/** Joint name. */
	readonly joint?: string;
	/** Absolute path. */
	readonly file?: string;
}

/** One check. */
export interface Rule {
	/** Stable, kebab-case. */
	readonly code: string;
	readonly severity: Severity;
	readonly subject: Subject;
	/** What is wrong, in general: one sentence for the documentation. */
	readonly summary: string;
	/** What to do: one imperative sentence. */
	readonly cure: string;
	readonly fix: Fix;
	readonly check: (evidence: Evidence) => readonly Hit[];
}

/** "3", "3 and 5", "3, 5 and 9 more": the first few of a list. */
export function someOf(items: readonly (string | number)[], limit = 5): string {
	if (items.length <= limit) return items.join(", ");
	return `${items.slice(0, limit).join(", ")} and ${items.length - limit} more`;
}

/** A share as a percentage. */
export function percent(share: number): string {
	return `${Math.round(share * 100)} %`;
}
