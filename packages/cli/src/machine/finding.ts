// What the machine's doctor says about one thing.

/** How bad it is: an error stops zk0 from working here, a warning a part of it, `info` is good to know. */
export type FindingLevel = "good" | "info" | "warning" | "error";

/** One thing that was looked at. */
export interface Finding {
	/** What was looked at: `memory`. */
	readonly name: string;
	readonly level: FindingLevel;
	/** What was found, without a full stop. */
	readonly found: string;
	/** What to do; null for what is good. */
	readonly cure: string | null;
}

/** A finding with nothing to do. */
export function good(name: string, found: string): Finding {
	return { name, level: "good", found, cure: null };
}

/** A finding with a cure. */
export function bad(
	level: Exclude<FindingLevel, "good">,
	name: string,
	found: string,
	cure: string,
): Finding {
	return { name, level, found, cure };
}
