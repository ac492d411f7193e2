// The calls of the Fleet API that move messages and their objects.
import {
	type FleetHandlers,
	FlowerError,
	inlineObjects,
	parseObjectId,
	type ReplyRefusal,
} from "@zk0/flower";
import { offenceOfRefusal } from "./audit.ts";
import type { FleetParts } from "./fleet-handlers.ts";
import type { Member } from "./members.ts";

/** Longest time that a pull is held. */
const MAX_WAIT_MS = 60_000;

type MessageCalls = Pick<
	FleetHandlers,
	"pullMessages" | "confirmMessageReceived" | "pullObject" | "pushMessages" | "pushObject"
>;

/** Handlers over the parts of a server. */
export function messageCalls({ grids, pulls, standing, onOffence }: FleetParts): MessageCalls {
	const note = (refusal: ReplyRefusal, member: Member, peer: string): void => {
		// Of a server that is stopping a refusal is not for good: its runs have let their tasks go.
		standing.requireOpen();
		const offence = offenceOfRefusal(refusal, member, peer);
		if (offence !== undefined) onOffence(offence);
	};
	return {
		pullMessages: async ({ session, waitMs }, { caller, signal, reserve }) => {
			const { site } = standing.online(caller, session);
			const early = await grids.nextTask(site);
			if (early === undefined && waitMs > 0) await pulls.hold(site, Math.min(waitMs, MAX_WAIT_MS), signal);
			standing.online(caller, session);
			const next = early ?? (await grids.nextTask(site));
			if (next === undefined) return {};
			const { wire, tree, objects } = next.message;
			const inline = session === "" ? [] : await inlineObjects(objects, { signal, reserve });
			return { messagesList: [wire], messageObjectTrees: [tree], objects: inline };
		},
		confirmMessageReceived: async () => ({}),
		pullObject: async ({ objectId }, { caller, signal }) => {
			const { site } = standing.approved(caller);
			const objectContent = await grids.readObject(site, parseObjectId(objectId), signal);
			if (objectContent === undefined) return { objectFound: false };
			return { objectFound: true, objectAvailable: true, objectContent };
		},
		pushMessages: async ({ messagesList, messageObjectTrees, objects }, { caller, peer, signal }) => {
			const member = standing.approved(caller);
			const [message] = messagesList;
			const [tree] = messageObjectTrees;
			if (message === undefined || tree === undefined || messagesList.length > 1)
				throw new FlowerError("invalid-argument", "One message and its object tree at a time, please.");
			const answer = await grids.announce(member, message, tree);
			if (answer === undefined) throw new FlowerError("unavailable", "no run is under way; try again");
			const refused = (refusal: ReplyRefusal) => {
				note(refusal, member, peer);
				return { refusals: [{ messageId: tree.objectId, ...refusal }] };
			};
			if (answer.kind === "refused") return refused(answer.refusal);
			const missing = new Set<string>(answer.missing);
			for (const { objectId, content } of objects) {
				if (!missing.has(objectId)) continue;
				const taken = await grids.put(member, parseObjectId(objectId), content, signal);
				if (taken?.kind !== "stored") continue;
				if (taken.refusal !== undefined) return refused(taken.refusal);
				missing.delete(objectId);
			}
			return { results: { [tree.objectId]: 0 }, objectsToPush: [...missing] };
		},
		pushObject: async ({ objectId, objectContent }, { caller, peer, signal }) => {
			const member = standing.approved(caller);
			const taken = await grids.put(member, parseObjectId(objectId), objectContent, signal);
			if (taken === undefined || taken.kind === "not-stored") return { stored: false };
			if (taken.refusal === undefined) return { stored: true };
			note(taken.refusal, member, peer);
			return { stored: true, refusal: { messageId: "", ...taken.refusal } };
		},
	};
}
