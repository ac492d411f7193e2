// Faults of the network between the sites and the server.

import type { TcpProxy } from "../toy-federation/tcp-proxy.ts";
import type { FaultPoint, Measured } from "./point.ts";
import { bytesPassed, pause } from "./server-points.ts";
import { LARGE, type Stage } from "./stage.ts";

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

function cut(
	what: string,
	options: {
		readonly stage: FaultPoint["stage"];
		readonly moment: (stage: Stage) => Promise<unknown>;
		/** Of all sites, or of bob only. */
		readonly whom: "all" | "bob";
		readonly how: "cut" | "reset";
		readonly durationMs: number;
	},
): FaultPoint {
	const { moment, whom, how, durationMs, stage: stageOptions } = options;
	return {
		group: how === "cut" ? "network cut" : "connections reset",
		what,
		kind: "transient",
		...(stageOptions === undefined ? {} : { stage: stageOptions }),
		make: async (stage) => {
			await moment(stage);
			const networks = whom === "all" ? stage.networks : [stage.network("bob")];
			for (const network of networks) network[how]();
			await pause(durationMs);
			return await heal(networks);
		},
	};
}

const inTraining = (stage: Stage): Promise<unknown> => stage.heard("bob", "task", "train 1");

/** Faults of the network; packets of a cut vanish without a word, and connections of before and during it stay dead. */
export const NETWORK_POINTS: readonly FaultPoint[] = [
	cut("for a minute, all sites, in training", {
		stage: { trainMs: 1500 },
		moment: inTraining,
		whom: "all",
		how: "cut",
		durationMs: 60_000,
	}),
	cut("for a minute, one site, while it uploads", {
		stage: { model: LARGE },
		moment: (stage) => bytesPassed(stage, "bob", "up", 12e6),
		whom: "bob",
		how: "cut",
		durationMs: 60_000,
	}),
	cut("for 20 s, one site, while it pulls the weights", {
		stage: { model: LARGE },
		moment: (stage) => bytesPassed(stage, "bob", "down", 12e6),
		whom: "bob",
		how: "cut",
		durationMs: 20_000,
	}),
	cut("for 12 s, all sites, while they wait for tasks or train", {
		stage: { trainMs: 3000 },
		moment: inTraining,
		whom: "all",
		how: "cut",
		durationMs: 12_000,
	}),
	cut("and refused for 10 s, all sites, in training", {
		stage: { trainMs: 1500 },
		moment: inTraining,
		whom: "all",
		how: "reset",
		durationMs: 10_000,
	}),
	cut("once, while a site uploads", {
		stage: { model: LARGE },
		moment: (stage) => bytesPassed(stage, "bob", "up", 20e6),
		whom: "bob",
		how: "reset",
		durationMs: 0,
	}),
	cut("once, while a site pulls the weights", {
		stage: { model: LARGE },
		moment: (stage) => bytesPassed(stage, "bob", "down", 20e6),
		whom: "bob",
		how: "reset",
		durationMs: 0,
	}),
];
