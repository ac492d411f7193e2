// Faults of the network between the sites and the server.

import type { TcpProxy } from "../toy-federation/tcp-proxy.ts";
import type { FaultPoint, Measured } from "./point.ts";
import { bytesPassed, pause } from "./server-points.ts";
import { LARGE, type Stage, type StageOptions } from "./stage.ts";

/** Longest time from the network's return to the first answer that reaches a site. */
const RECONNECT_LIMIT_MS = 5000;

/** Mends networks and waits until the server has answered over each. */
async function heal(networks: readonly TcpProxy[]): Promise<Measured> {
	const startMs = performance.now();
	const answered = networks.map((network) => new Promise<void>((resolve) => network.onceAnswered(resolve)));
	for (const network of networks) network.heal();
	await Promise.all(answered);
	return { recoveryMs: performance.now() - startMs, limitMs: RECONNECT_LIMIT_MS };
}

/** When a fault strikes, and what the federation must be like for that. */
interface Moment {
	readonly stage: StageOptions;
	readonly comes: (stage: Stage) => Promise<unknown>;
}

const training = (trainMs: number): Moment => ({
	stage: { trainMs },
	comes: (stage) => stage.heard("bob", "task", "train 1"),
});

/** After so many bytes of bob's, of a model that takes its time. */
const moving = (direction: "up" | "down", numBytes: number): Moment => ({
	stage: { model: LARGE },
	comes: (stage) => bytesPassed(stage, "bob", direction, numBytes),
});

/** Breaks the networks of all sites, or bob's only, for a while. */
function broken(
	what: string,
	moment: Moment,
	{ whom, how, ms }: { readonly whom: "all" | "bob"; readonly how: "cut" | "reset"; readonly ms: number },
): FaultPoint {
	return {
		group: how === "cut" ? "network cut" : "connections reset",
		what,
		kind: "transient",
		stage: moment.stage,
		make: async (stage) => {
			await moment.comes(stage);
			const networks = whom === "all" ? stage.networks : [stage.network("bob")];
			for (const network of networks) network[how]();
			await pause(ms);
			return await heal(networks);
		},
	};
}

/** Faults of the network; packets of a cut vanish without a word, and connections of before and during it stay dead. */
export const NETWORK_POINTS: readonly FaultPoint[] = [
	broken("for a minute, all sites, in training", training(1500), { whom: "all", how: "cut", ms: 60_000 }),
	broken("for a minute, one site, while it uploads", moving("up", 12e6), {
		whom: "bob",
		how: "cut",
		ms: 60_000,
	}),
	broken("for 20 s, one site, while it pulls the weights", moving("down", 12e6), {
		whom: "bob",
		how: "cut",
		ms: 20_000,
	}),
	broken("for 12 s, all sites, while they wait for tasks or train", training(3000), {
		whom: "all",
		how: "cut",
		ms: 12_000,
	}),
	broken("and refused for 10 s, all sites, in training", training(1500), {
		whom: "all",
		how: "reset",
		ms: 10_000,
	}),
	broken("once, while a site uploads", moving("up", 20e6), { whom: "bob", how: "reset", ms: 0 }),
	broken("once, while a site pulls the weights", moving("down", 20e6), { whom: "bob", how: "reset", ms: 0 }),
];
