// What a site says about its own limits: which tasks it takes, and why it takes none just now. It says so in the details
// with which it comes online; the server asks it for nothing else.
import type { SiteInfo } from "./client-app.ts";
import type { TaskPhase } from "./protocol.ts";

const PAUSED = "paused";
const ACCEPTS = "accepts";

/** A site's own limits. */
export interface SiteLimits {
	/** Tasks that it takes; null: all. */
	readonly accepts: readonly TaskPhase[] | null;
	/** Whether it works at a time (Unix milliseconds), and until when that stays so; null: always. */
	readonly hoursAt: ((nowMs: number) => SiteHours) | null;
}

/** Whether a site works now. */
export interface SiteHours {
	readonly isOpen: boolean;
	/** When that changes, Unix milliseconds. */
	readonly changesAtMs: number;
	/** Why it does not work; for people. */
	readonly reason: string;
}

/** What a site tells about itself under its limits; `paused`: why it takes no tasks now, or null. */
export function limitedInfo(
	{ numSamples, details }: SiteInfo,
	{ accepts }: SiteLimits,
	paused: string | null,
): SiteInfo {
	return {
		numSamples,
		details: {
			...details,
			...(accepts === null ? {} : { [ACCEPTS]: [...accepts] }),
			...(paused === null ? {} : { [PAUSED]: paused }),
		},
	};
}

/** Why a site takes no tasks now; null: it does. */
export function pauseOf({ details }: SiteInfo): string | null {
	const { [PAUSED]: paused } = details;
	return typeof paused === "string" ? paused : null;
}

/** True when the site takes tasks of this kind. */
export function takesPhase({ details }: SiteInfo, phase: TaskPhase): boolean {
	const { [ACCEPTS]: accepts } = details;
	return !Array.isArray(accepts) || accepts.includes(phase);
}
