// How often somebody may do something: a token bucket for each of a bounded number of names.

/** What a rate limit allows. */
export interface Rate {
	/** At once, after a pause. */
	readonly burst: number;
	/** In the long run. */
	readonly perSecond: number;
}

/** Buckets by name. */
export interface RateLimit {
	/** Takes one. 0: it was there; else milliseconds until there will be one, and nothing was taken. */
	take(name: string, nowMs: number): number;
	/** Milliseconds until there is one, without taking it. */
	waitMs(name: string, nowMs: number): number;
}

/** Names remembered; beyond, the one that was quiet the longest is forgotten, as if it had been quiet for ever. */
const MAX_NAMES = 16_384;

interface Bucket {
	tokens: number;
	atMs: number;
}

/** Full buckets for everybody. */
export function createRateLimit({ burst, perSecond }: Rate): RateLimit {
	const buckets = new Map<string, Bucket>();
	const level = (name: string, nowMs: number): number => {
		const bucket = buckets.get(name);
		if (bucket === undefined) return burst;
		return Math.min(burst, bucket.tokens + (Math.max(0, nowMs - bucket.atMs) * perSecond) / 1000);
	};
	const missing = (tokens: number): number =>
		tokens >= 1 ? 0 : Math.max(1, Math.ceil(((1 - tokens) * 1000) / perSecond));
	return {
		waitMs: (name, nowMs) => missing(level(name, nowMs)),
		take(name, nowMs) {
			const tokens = level(name, nowMs);
			const isThere = tokens >= 1;
			// Deleted first, so that the order of the map is the order of use.
			buckets.delete(name);
			buckets.set(name, { tokens: isThere ? tokens - 1 : tokens, atMs: nowMs });
			const [oldest] = buckets.keys();
			if (oldest !== undefined && buckets.size > MAX_NAMES) buckets.delete(oldest);
			return isThere ? 0 : missing(tokens);
		},
	};
}
