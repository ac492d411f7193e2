// Who is connected: sites by name, the node each speaks through, and when it last showed life.
import { randomUUID } from "node:crypto";
import type { SiteInfo } from "./client-app.ts";
import { FederationError } from "./errors.ts";
import type { OnlineSite } from "./grid.ts";
import { type NodeId, nodeId } from "./protocol.ts";

/** The connected sites. */
export interface NodeRegistry {
	/** Binds a site to a new node; an earlier node of the same site is superseded. */
	register(site: string, info: SiteInfo, nowMs: number): NodeId;
	/** The node's site, noted as alive. @throws FederationError unknown-node | site-name-taken */
	touch(id: NodeId, nowMs: number): string;
	/** Forgets a site; false when it was not there. */
	remove(site: string): boolean;
	/** Takes every node for alive now. */
	forgive(nowMs: number): void;
	/** Sites that showed no life since `limitMs`. */
	silentSince(limitMs: number): string[];
	/** Sorted by name. */
	sites(): OnlineSite[];
}

interface Member {
	readonly id: NodeId;
	readonly info: SiteInfo;
	lastSeenMs: number;
}

/** Superseded ids remembered, so that two clients with one name do not take turns for ever. */
const MAX_SUPERSEDED = 10_000;

/** An empty registry. */
export function createNodeRegistry(): NodeRegistry {
	const members = new Map<string, Member>();
	const siteOf = new Map<NodeId, string>();
	const superseded = new Map<NodeId, string>();
	const remove = (site: string): boolean => {
		const member = members.get(site);
		if (member === undefined) return false;
		siteOf.delete(member.id);
		return members.delete(site);
	};
	return {
		register(site, info, nowMs) {
			const earlier = members.get(site);
			if (earlier !== undefined) {
				remove(site);
				superseded.set(earlier.id, site);
				const [oldest] = superseded.keys();
				if (oldest !== undefined && superseded.size > MAX_SUPERSEDED) superseded.delete(oldest);
			}
			// Unguessable, and new after a server restart; no result depends on it.
			const id = nodeId(randomUUID());
			members.set(site, { id, info, lastSeenMs: nowMs });
			siteOf.set(id, site);
			return id;
		},
		touch(id, nowMs) {
			const site = siteOf.get(id);
			const member = site === undefined ? undefined : members.get(site);
			if (site !== undefined && member !== undefined) {
				member.lastSeenMs = Math.max(member.lastSeenMs, nowMs);
				return site;
			}
			const taken = superseded.get(id);
			if (taken !== undefined) {
				const message = `another client has joined as ${taken}; stop one of them or give it another name`;
				throw new FederationError("site-name-taken", message, { ids: { site: taken } });
			}
			throw new FederationError("unknown-node", `node ${id} is not registered; register again`);
		},
		remove,
		forgive(nowMs) {
			for (const member of members.values()) member.lastSeenMs = nowMs;
		},
		silentSince: (limitMs) =>
			[...members].filter(([, member]) => member.lastSeenMs < limitMs).map(([site]) => site),
		sites: () =>
			[...members].map(([site, { info }]) => ({ site, info })).sort((a, b) => (a.site < b.site ? -1 : 1)),
	};
}
