// Everything that metrics and alerts are made of, at one moment: the run's view, the members, and the machine.
import type { RunView } from "./run-view.ts";

/** One member of the federation. */
export interface NodeView {
	readonly site: string;
	readonly state: "pending" | "approved" | "revoked";
	readonly isOnline: boolean;
	/** Unix time of its last sign of life; null: none since the server started. */
	readonly lastSeenMs: number | null;
	/** Since when it is away; null while it is online. Counts from the server's start for one that never came. */
	readonly offlineSinceMs: number | null;
	/** Samples of its dataset; null: not known. */
	readonly numSamples: number | null;
}

/** A server's own certificate authority. */
export interface AuthorityView {
	readonly endsMs: number;
	/** When the server changes to an announced successor; null: none is announced. */
	readonly changesMs: number | null;
	/** Sites that have not heard of the successor. */
	readonly missing: readonly string[];
}

/** The machine that the server runs on; null: not known. */
export interface MachineView {
	readonly disk: { readonly freeBytes: number; readonly totalBytes: number } | null;
	/** When the served certificate ends; null without TLS. */
	readonly certificateEndsMs: number | null;
	/** The server's own authority; absent: it has none. */
	readonly authority?: AuthorityView;
	/** Connections of sites that are open now. */
	readonly numConnections: number;
}

/** How many runs the server has, by state. */
export type RunCounts = Readonly<Record<string, number>>;

/** One moment of a federation. */
export interface Observation {
	readonly nowMs: number;
	/** The run under way, or the last one of this process; null: none yet. */
	readonly run: RunView | null;
	/** Sorted by site. */
	readonly nodes: readonly NodeView[];
	readonly machine: MachineView;
	readonly runs: RunCounts;
}
