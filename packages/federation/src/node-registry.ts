// Who is connected: sites by name, the session (one life of a client process) each speaks in, and when it last showed life.
import { FlowerError } from "@zk0/flower";
import type { SiteInfo } from "./client-app.ts";
import type { OnlineSite } from "./grid.ts";

/** The connected sites. */
export interface NodeRegistry {
	/** Takes a site online in a new session; an earlier session of the same site is superseded. False: it was online. */
	activate(site: string, arrival: Arrival, nowMs: number): boolean;
	/** Notes a sign of life. @throws FlowerError aborted (activate first) | already-exists (superseded) */
	touch(site: string, session: string, nowMs: number): void;
	/** Forgets a site; false when it was not there. */
	remove(site: string): boolean;
	/** Takes every node for alive now. */
	forgive(nowMs: number): void;
	/** Sites that were silent for longer than `limitMs`, or than what their nodes announced. */
	silent(nowMs: number, limitMs: number): { readonly site: string; readonly limitMs: number }[];
	/** When a site last showed life, if it is online. */
	lastSeenMs(site: string): number | undefined;
	/** What an online site tells about itself. */
	infoOf(site: string): SiteInfo | undefined;
	/** Sorted by name. */
	sites(): OnlineSite[];
}

/** How a node comes online. */
export interface Arrival {
	/** Names one life of a client process; empty for Flower's nodes, which have none. */
	readonly session: string;
	readonly info: SiteInfo;
	/** Longest silence, where the node announced one of its own. */
	readonly silenceMs?: number;
}

interface Connected extends Arrival {
	lastSeenMs: number;
}

/** Superseded sessions remembered, so that two clients with one key do not take turns for ever. */
const MAX_SUPERSEDED = 10_000;

/** An empty registry. */
export function createNodeRegistry(): NodeRegistry {
	const connected = new Map<string, Connected>();
	const superseded = new Set<string>();
	return {
		activate(site, arrival, nowMs) {
			const { session } = arrival;
			const earlier = connected.get(site);
			if (superseded.has(session)) throw supersededError(site);
			if (earlier !== undefined && earlier.session !== session) {
				superseded.add(earlier.session);
				const [oldest] = superseded;
				if (oldest !== undefined && superseded.size > MAX_SUPERSEDED) superseded.delete(oldest);
			}
			connected.set(site, { ...arrival, lastSeenMs: nowMs });
			return earlier === undefined;
		},
		touch(site, session, nowMs) {
			const found = connected.get(site);
			if (found?.session === session) {
				found.lastSeenMs = Math.max(found.lastSeenMs, nowMs);
				return;
			}
			if (superseded.has(session)) throw supersededError(site);
			throw new FlowerError("aborted", `${site} is not online here; activate the node again`);
		},
		remove: (site) => connected.delete(site),
		forgive(nowMs) {
			for (const found of connected.values()) found.lastSeenMs = nowMs;
		},
		silent: (nowMs, limitMs) =>
			[...connected]
				.map(([site, { lastSeenMs, silenceMs = limitMs }]) => ({ site, lastSeenMs, limitMs: silenceMs }))
				.filter(({ lastSeenMs, limitMs: ownLimitMs }) => lastSeenMs < nowMs - ownLimitMs),
		lastSeenMs: (site) => connected.get(site)?.lastSeenMs,
		infoOf: (site) => connected.get(site)?.info,
		sites: () =>
			[...connected].map(([site, { info }]) => ({ site, info })).sort((a, b) => (a.site < b.site ? -1 : 1)),
	};
}

function supersededError(site: string): FlowerError {
	return new FlowerError(
		"already-exists",
		`another client runs as ${site} with the same key; stop one of them`,
	);
}
