// Flower's Fleet API over the parts of a server: who may, who is online, which runs are open.
import { type FleetHandlers, FlowerError } from "@zk0/flower";
import type { Clock } from "./clock.ts";
import type { HeldPulls } from "./held-pulls.ts";
import type { Members } from "./members.ts";
import { messageCalls } from "./message-calls.ts";
import { nodeCalls } from "./node-calls.ts";
import type { NodeRegistry } from "./node-registry.ts";
import type { OpenGrids } from "./open-grids.ts";
import type { Standing } from "./standing.ts";

/** What the handlers work on. */
export interface FleetParts {
	readonly members: Members;
	readonly registry: NodeRegistry;
	readonly grids: OpenGrids;
	readonly pulls: HeldPulls;
	readonly standing: Standing;
	readonly clock: Clock;
	/** Takes a site offline and tells the runs. */
	readonly drop: (site: string, reason: "left" | "offline", message: string) => void;
}

/** All handlers of the Fleet API. */
export function fleetHandlers(parts: FleetParts): FleetHandlers {
	return {
		...nodeCalls(parts),
		...messageCalls(parts),
		getRun: async () => notForNodes("GetRun"),
		getFab: async () => notForNodes("GetFab"),
	};
}

async function notForNodes(method: string): Promise<never> {
	throw new FlowerError("unimplemented", `${method}: zk0 nodes bring their own app and need no app bundle.`);
}
