// A thousand nodes of a tiny model, each with its own key, connection and session, in four processes on the same machine:
// the time of a round (training and evaluation on all of them) and the server's memory.
import { openToyFederation } from "../../tools/toy-federation/federation.ts";

const NUM_NODES = 1000;
const NUM_PROCESSES = 4;
const NUM_ROUNDS = 2;

/** Slowest round, the server's peak memory, and what it spent. */
export async function measureNodes(): Promise<{
	readonly nodes1000RoundMs: number;
	readonly nodes1000ServerRssMb: number;
	readonly nodes1000: {
		readonly roundMs: readonly number[];
		readonly joinMs: number;
		readonly serverCpuSeconds: number;
	};
}> {
	const sites = Array.from({ length: NUM_NODES }, (_, index) => `node-${String(index).padStart(4, "0")}`);
	const model = { numTensors: 1, elementsPerTensor: 1024 };
	await using federation = await openToyFederation({ sites, model, numRounds: NUM_ROUNDS, waitForAll: true });
	await using server = await federation.startServer();
	const startMs = performance.now();
	for (let part = 0; part < NUM_PROCESSES; part++)
		await federation.startClient(sites.filter((_, index) => index % NUM_PROCESSES === part));
	const { atMs: joinedMs } = await server.waitFor("all nodes", ({ kind }) => kind === "started", {
		timeoutMs: 200_000,
	});
	const { line } = await server.waitFor("the end", ({ kind }) => kind === "finished", {
		timeoutMs: 200_000,
	});
	if (line.kind !== "finished" || line.sha256 === null) throw new RangeError(server.complaints);
	const at = (kind: string, round: number): number => {
		const found = server.lines.find(
			(one) =>
				one.kind === "event" && one.event.kind === kind && "round" in one.event && one.event.round === round,
		);
		return found?.kind === "event" ? found.atMs : Number.NaN;
	};
	const roundMs = Array.from({ length: NUM_ROUNDS }, (_, index) =>
		Math.round(at("round.evaluated", index + 1) - at("round.started", index + 1)),
	);
	return {
		nodes1000RoundMs: Math.max(...roundMs),
		nodes1000ServerRssMb: line.peakRssMb,
		nodes1000: { roundMs, joinMs: Math.round(joinedMs - startMs), serverCpuSeconds: line.cpuSeconds },
	};
}
