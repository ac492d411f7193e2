// Bounds how often callers may call, and turns those away who keep failing to authenticate before their next signature is
// checked. Sites that are members are counted by key, so that any number of them can share an address; everybody else
// is counted by address.
import {
	addressOf,
	createRateLimit,
	type FleetGuard,
	FlowerError,
	type Rate,
	type RefusalReason,
} from "@zk0/flower";
import type { Clock } from "./clock.ts";
import type { Member, Members } from "./members.ts";

/** How often callers may call. */
export interface CallLimits {
	/** Of one member. A site that moves a model of a thousand small objects makes as many calls. */
	readonly callsPerNode: Rate;
	/** From one address, of keys that are no members: each costs the check of a signature. */
	readonly callsOfStrangers: Rate;
	/** From one address, by keys that are no members, that did not authenticate. */
	readonly failuresPerAddress: Rate;
	/** From one address, in the name of one member, that did not authenticate. */
	readonly failuresPerNode: Rate;
}

/** A thousand sites behind one address can register at once; a member can move 5 GB/s in chunks. */
export const DEFAULT_CALL_LIMITS: CallLimits = {
	callsPerNode: { burst: 10_000, perSecond: 1000 },
	callsOfStrangers: { burst: 3000, perSecond: 100 },
	failuresPerAddress: { burst: 100, perSecond: 1 },
	failuresPerNode: { burst: 20, perSecond: 0.2 },
};

/** A guard, and where it hears of failures. */
export interface CallGuard extends FleetGuard {
	/** A call in the name of this key (PEM) failed. */
	failed(peer: string, claimedKeyPem: string | undefined, error: FlowerError): void;
}

/** Failures that say something about who calls. */
const COUNTED: ReadonlySet<RefusalReason> = new Set([
	"unsigned",
	"bad-signature",
	"expired",
	"unknown-key",
	"other-node",
	"revoked",
	"bad-invitation",
]);

/** A guard for one server. */
export function createCallGuard(limits: CallLimits, members: Members, clock: Clock): CallGuard {
	const calls = createRateLimit(limits.callsPerNode);
	const strangers = createRateLimit(limits.callsOfStrangers);
	const failuresOfAddress = createRateLimit(limits.failuresPerAddress);
	const failuresOfNode = createRateLimit(limits.failuresPerNode);
	const memberOf = (keyPem: string | undefined): Member | undefined => {
		const member = keyPem === undefined ? undefined : members.find(keyPem);
		return member?.state === "revoked" ? undefined : member;
	};
	return {
		arrived({ peer }, claimedKeyPem) {
			const address = addressOf(peer);
			const member = memberOf(claimedKeyPem);
			const waitMs =
				member === undefined
					? failuresOfAddress.waitMs(address, clock.now())
					: failuresOfNode.waitMs(`${address} ${member.site}`, clock.now());
			if (waitMs > 0) throw overLimit("too many calls from here failed to authenticate", waitMs);
			const strangerMs = member === undefined ? strangers.take(address, clock.now()) : 0;
			if (strangerMs > 0)
				throw overLimit("too many calls from here with keys that are no members", strangerMs);
		},
		authenticated(_, { publicKeyPem }) {
			const member = memberOf(publicKeyPem);
			const waitMs = member === undefined ? 0 : calls.take(member.site, clock.now());
			if (waitMs > 0) throw overLimit("too many calls of one site", waitMs);
		},
		failed(peer, claimedKeyPem, { reason }) {
			if (reason === undefined || !COUNTED.has(reason)) return;
			const address = addressOf(peer);
			const member = memberOf(claimedKeyPem);
			if (member === undefined) failuresOfAddress.take(address, clock.now());
			else failuresOfNode.take(`${address} ${member.site}`, clock.now());
		},
	};
}

function overLimit(what: string, waitMs: number): FlowerError {
	const seconds = Math.ceil(waitMs / 1000);
	return new FlowerError("resource-exhausted", `${what}; try again in ${seconds} s`, {
		retryAfterMs: waitMs,
		reason: "over-limit",
	});
}
