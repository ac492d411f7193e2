// The calls of the Fleet API by which nodes come, show life and go.
import { type FleetHandlers, FlowerError, parsePublicKey } from "@zk0/flower";
import { z } from "zod";
import type { SiteInfo } from "./client-app.ts";
import type { FleetParts } from "./fleet-handlers.ts";
import { flowerArrival, flowerNodesRefused, flowerNodeUnknown } from "./flower-nodes.ts";
import type { OpenGrids } from "./open-grids.ts";

/** What a node may tell about itself, in bytes. */
const MAX_DETAILS_BYTES = 65_536;
/** Tasks that a node may name as running. */
const MAX_RUNNING = 100;
const MAX_SESSION_LENGTH = 100;

type NodeCalls = Pick<
	FleetHandlers,
	"registerNode" | "activateNode" | "deactivateNode" | "unregisterNode" | "sendNodeHeartbeat"
>;

/** Handlers over the parts of a server. */
export function nodeCalls({
	members,
	grids,
	standing,
	arrive,
	drop,
	allowsFlowerNodes,
	announceTrust,
}: FleetParts): NodeCalls {
	const flowerNode = (): FlowerError =>
		allowsFlowerNodes ? flowerNodeUnknown() : flowerNodesRefused("not-registered");
	return {
		registerNode: async ({ publicKey, site, invite }, { peer, caller }) => {
			standing.requireOpen();
			parsePublicKey(publicKey);
			if (site === "" && invite === "") throw flowerNode();
			const { publicKeyPem } = caller;
			return { nodeId: (await members.register({ publicKeyPem, site, invite, peer })).nodeId };
		},
		activateNode: async ({ session, numSamples, details, heartbeatInterval }, { caller }) => {
			// zk0 nodes name a session; what has none and is not bound gets told how to be.
			if (session === "" && members.find(caller.publicKeyPem) === undefined) throw flowerNode();
			const { site, nodeId, signs } = standing.approved(caller);
			if (!signs) arrive(site, flowerArrival(heartbeatInterval));
			else {
				if (session === "" || session.length > MAX_SESSION_LENGTH) throw sessionMissing(site);
				arrive(site, {
					session,
					info: { numSamples: Number(numSamples), details: parseDetails(details) },
				});
			}
			return { nodeId };
		},
		deactivateNode: async (_, { caller }) => {
			drop(standing.approved(caller).site, "left", "the site left");
			return {};
		},
		unregisterNode: async () => {
			throw new FlowerError("permission-denied", "Names are bound for good; the operator can revoke them.");
		},
		sendNodeHeartbeat: async ({ session, running, progress, trusted }, { caller }) => {
			const { site } = standing.online(caller, session);
			if (progress !== undefined) tellProgress(grids, site, progress);
			const authorities = trusted === "" ? [] : [...announceTrust(site, trusted)];
			return { success: true, unwanted: grids.unwanted(running.slice(0, MAX_RUNNING)), authorities };
		},
	};
}

/** Hands a progress report to the run of its task, if it is an open task of the site. */
function tellProgress(
	grids: OpenGrids,
	site: string,
	report: {
		messageId: string;
		step: number;
		numSteps: number;
		loss?: number | undefined;
		samplesPerSecond?: number | undefined;
	},
): void {
	const { messageId, step, numSteps, loss, samplesPerSecond } = report;
	const found = grids.taskOf(messageId);
	if (found === undefined || found.task.site !== site) return;
	const progress = {
		step,
		numSteps,
		loss: finiteOrNull(loss),
		samplesPerSecond: finiteOrNull(samplesPerSecond),
	};
	found.grid.tell({ kind: "progress", task: found.task, progress });
}

const detailsSchema = z.record(z.string(), z.json());

function parseDetails(text: string): SiteInfo["details"] {
	if (text.length > MAX_DETAILS_BYTES)
		throw new FlowerError("resource-exhausted", `details of more than ${MAX_DETAILS_BYTES} bytes`);
	try {
		return detailsSchema.parse(JSON.parse(text));
	} catch (cause) {
		throw new FlowerError("invalid-argument", "a node's details are no JSON object", { cause });
	}
}

function finiteOrNull(value: number | undefined): number | null {
	return value !== undefined && Number.isFinite(value) ? value : null;
}

function sessionMissing(site: string): FlowerError {
	return new FlowerError(
		"failed-precondition",
		`The key of ${site} was bound by a zk0 client, whose replies are signed: start \`zk0 client\` with it; ` +
			"a Flower SuperNode needs a key of its own.",
	);
}
