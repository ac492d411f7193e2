// Flower's own nodes (SuperNodes) at this server: Python processes that run the app bundle of a run. They have no session,
// do not say what data they have, poll instead of waiting, and cannot sign their replies; so they are let in only when the
// operator allows it, by a public key that the operator bound to a name.
import { type AppBundle, type FleetHandlers, FlowerError } from "@zk0/flower";
import { runNumber } from "./node-id.ts";
import type { Arrival } from "./node-registry.ts";

/** What Flower's nodes announce unless they say otherwise. */
export const FLOWER_HEARTBEAT_SECONDS = 30;
/** What Flower's servers accept. */
const MIN_HEARTBEAT_SECONDS = 10;
const MAX_HEARTBEAT_SECONDS = 1800;

/** How a Flower node comes online. @throws FlowerError invalid-argument for an interval that Flower has not either */
export function flowerArrival(heartbeatSeconds: number): Arrival {
	if (!(heartbeatSeconds >= MIN_HEARTBEAT_SECONDS && heartbeatSeconds <= MAX_HEARTBEAT_SECONDS))
		throw new FlowerError(
			"invalid-argument",
			`A heartbeat every ${heartbeatSeconds} s: it must be between ${MIN_HEARTBEAT_SECONDS} and ${MAX_HEARTBEAT_SECONDS} s.`,
		);
	const info = { numSamples: null, details: { software: "Flower", signs: false } };
	// As in Flower, one heartbeat may be lost.
	return { session: "", info, silenceMs: 2000 * heartbeatSeconds };
}

/** Says that this server takes zk0 nodes only. */
export function flowerNodesRefused(reason?: "not-registered"): FlowerError {
	return new FlowerError(
		"failed-precondition",
		"This server takes zk0 nodes only: start `zk0 client` instead of a Flower SuperNode, " +
			"or have the operator start the server with --allow-flower-nodes.",
		{ reason },
	);
}

/** Says how a Flower node whose key is not bound gets in. */
export function flowerNodeUnknown(): FlowerError {
	return new FlowerError(
		"failed-precondition",
		"This Flower SuperNode's key is not bound to a site: start it with --auth-supernode-private-key <key>, " +
			"and have the operator run `zk0 server add <site> <key>.pub` before.",
		{ reason: "not-registered" },
	);
}

/** The app that a run's Flower nodes are to run. */
export interface RunApp {
	readonly runId: string;
	readonly bundle: AppBundle;
}

/** The calls by which Flower's nodes get a run's app; zk0 nodes bring their own. */
export function appCalls(
	appOf: (run: bigint) => RunApp | undefined,
): Pick<FleetHandlers, "getRun" | "getFab"> {
	const require = (run: bigint): RunApp => {
		const app = appOf(run);
		// Flower's word for a run that is over, upon which nodes drop the message and go on.
		if (app === undefined) throw new FlowerError("permission-denied", "Run is finished.");
		return app;
	};
	return {
		getRun: async ({ runId }) => {
			const { bundle } = require(runId);
			const { id, version, hash } = bundle;
			return {
				run: {
					runId,
					fabId: id,
					fabVersion: version,
					fabHash: hash,
					status: { status: "running" },
					runType: "serverapp",
				},
			};
		},
		getFab: async ({ runId, hashStr }) => {
			const { hash, content } = require(runId).bundle;
			if (hashStr !== hash)
				throw new FlowerError("not-found", `The run's app bundle is ${hash}, not ${hashStr.slice(0, 64)}.`);
			return { fab: { hashStr: hash, content } };
		},
	};
}

/** True when the message of run number `run` belongs to `app`. */
export function isRunOf(app: RunApp | undefined, run: bigint): app is RunApp {
	return app !== undefined && runNumber(app.runId) === run;
}
