// Flower's Fleet API over the parts of a server: who may, who is online, which runs are open.
import type { FleetHandlers } from "@zk0/flower";
import type { Offence } from "./audit.ts";
import { appCalls } from "./flower-nodes.ts";
import type { HeldPulls } from "./held-pulls.ts";
import type { Members } from "./members.ts";
import { messageCalls } from "./message-calls.ts";
import { nodeCalls } from "./node-calls.ts";
import type { Arrival } from "./node-registry.ts";
import type { OpenGrids } from "./open-grids.ts";
import type { Standing } from "./standing.ts";

/** What the handlers work on. */
export interface FleetParts {
	readonly members: Members;
	readonly grids: OpenGrids;
	readonly pulls: HeldPulls;
	readonly standing: Standing;
	/** Whether Flower's nodes, which cannot sign, are let in. */
	readonly allowsFlowerNodes: boolean;
	/** See `ServerOptions.announceTrust`. */
	readonly announceTrust: (site: string, trusted: string) => readonly string[];
	/** Is told of members' replies that were refused for who sent what when. */
	readonly onOffence: (offence: Offence) => void;
	/** Takes a site online and tells the runs. */
	readonly arrive: (site: string, arrival: Arrival) => void;
	/** Takes a site offline and tells the runs. */
	readonly drop: (site: string, reason: "left" | "offline", message: string) => void;
}

/** All handlers of the Fleet API. */
export function fleetHandlers(parts: FleetParts): FleetHandlers {
	return {
		...nodeCalls(parts),
		...messageCalls(parts),
		...appCalls((run) => parts.grids.appOf(run)),
	};
}
