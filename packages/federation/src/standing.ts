// What a caller may do: registered, approved, and online in the session it names.
import { type FleetCaller, FlowerError } from "@zk0/flower";
import type { Clock } from "./clock.ts";
import { FLOWER_HEARTBEAT_SECONDS, flowerArrival, flowerNodesRefused } from "./flower-nodes.ts";
import type { Member, Members } from "./members.ts";
import type { Arrival, NodeRegistry } from "./node-registry.ts";

/** Checks of a caller. */
export interface Standing {
	/** @throws FlowerError unavailable when the server is shutting down */
	requireOpen(): void;
	/** The caller as an approved member. @throws FlowerError failed-precondition | permission-denied | unauthenticated */
	approved(caller: FleetCaller): Member;
	/**
	 * The caller as a member that is online, which this call is a sign of. A node of Flower's that this process does not
	 * know yet (it was restarted) is taken online, since such nodes give up when they are told to activate again.
	 * @throws FlowerError as `approved`; aborted
	 */
	online(caller: FleetCaller, session: string): Member;
}

/** What checks need. */
export interface StandingOptions {
	readonly members: Members;
	readonly registry: NodeRegistry;
	readonly clock: Clock;
	/** Aborted: nobody is served any more. */
	readonly closing: AbortSignal;
	/** Whether Flower's nodes, which cannot sign, are let in. */
	readonly allowsFlowerNodes: boolean;
	/** Takes a site online. */
	readonly arrive: (site: string, arrival: Arrival) => void;
}

/** Checks for one server. */
export function createStanding(options: StandingOptions): Standing {
	const { members, registry, clock, closing, allowsFlowerNodes, arrive } = options;
	const requireOpen = (): void => {
		if (closing.aborted) throw new FlowerError("unavailable", "the server is shutting down");
	};
	const approved = ({ publicKeyPem }: FleetCaller): Member => {
		requireOpen();
		const member = members.find(publicKeyPem);
		if (member === undefined)
			throw new FlowerError("failed-precondition", "the key is not registered", { reason: "not-registered" });
		if (!member.signs && !allowsFlowerNodes) throw flowerNodesRefused();
		if (member.state === "approved") return member;
		if (member.state === "revoked") throw revokedError(member.site);
		throw new FlowerError("permission-denied", `${member.site} waits for the operator's approval`);
	};
	return {
		requireOpen,
		approved,
		online(caller, session) {
			const member = approved(caller);
			if (!member.signs && registry.lastSeenMs(member.site) === undefined)
				arrive(member.site, flowerArrival(FLOWER_HEARTBEAT_SECONDS));
			registry.touch(member.site, session, clock.now());
			return member;
		},
	};
}

/** Says to the holder of a revoked key what happened. */
export function revokedError(site: string): FlowerError {
	return new FlowerError("unauthenticated", `the key of ${site} was revoked; ask the operator`, {
		reason: "revoked",
	});
}
