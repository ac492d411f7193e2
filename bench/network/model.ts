// Two rounds of training and evaluation on two nodes, as in Flower's figures (2 rounds, train and evaluate), with the bytes
// that were moved and the time that the same bytes take over a bare TLS connection.
import type { RoundEvent } from "@zk0/federation";
import { openToyFederation, type ToyModel } from "../../tools/toy-federation/federation.ts";
import { measureTlsRate } from "./tls-rate.ts";

const NUM_ROUNDS = 2;
const SITES = ["site-a", "site-b"];

/** Figures of one run. */
export interface ModelFigures {
	/** From the run's start, with both nodes online, to its end: evaluation of the initial weights included. */
	readonly ms: number;
	readonly serverRssMb: number;
	readonly bytesUp: number;
	readonly bytesDown: number;
	/** The time that these bytes take at the machine's TLS rate, both directions one after another. */
	readonly floorMs: number;
	readonly tlsMbPerS: number;
	readonly serverCpuSeconds: number;
}

/** Runs a federation with this model. */
export async function measureModel(model: ToyModel): Promise<ModelFigures> {
	await using federation = await openToyFederation({
		sites: SITES,
		model,
		numRounds: NUM_ROUNDS,
		waitForAll: true,
	});
	await using server = await federation.startServer();
	for (const site of SITES) await federation.startClient([site]);
	const { line: started } = await server.waitFor("the start", ({ kind }) => kind === "started");
	const { line: finished } = await server.waitFor("the end", ({ kind }) => kind === "finished", {
		timeoutMs: 200_000,
	});
	if (started.kind !== "started" || finished.kind !== "finished" || finished.sha256 === null)
		throw new RangeError(`the run did not end well: ${server.complaints}`);
	const events = server.lines.flatMap((line): RoundEvent[] => (line.kind === "event" ? [line.event] : []));
	let [bytesUp, bytesDown] = [0, 0];
	for (const event of events) {
		if (event.kind !== "round.evaluated") continue;
		bytesUp += event.bytesUp ?? 0;
		bytesDown += event.bytesDown ?? 0;
	}
	const tlsMbPerS = await measureTlsRate();
	return {
		ms: Math.round(finished.atMs - started.atMs),
		serverRssMb: finished.peakRssMb,
		bytesUp,
		bytesDown,
		floorMs: Math.round((bytesUp + bytesDown) / 1e3 / tlsMbPerS),
		tlsMbPerS,
		serverCpuSeconds: finished.cpuSeconds,
	};
}
