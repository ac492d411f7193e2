// Replies that are wrong: refused and named. A wrong update costs the site its place in the round; a stray message, an
// object that is not what it says, or a repetition costs nothing.

import type { ToyModel } from "../toy-federation/federation.ts";
import type { Misdeed } from "../toy-federation/settings.ts";
import type { FaultPoint } from "./point.ts";
import { LARGE } from "./stage.ts";

/** Bob hands in something unusable in round 1. */
function unusable(what: Misdeed["what"], text: string, refusal: string): FaultPoint {
	return {
		group: "unusable update",
		what: text,
		kind: "removing",
		removes: { site: "bob", round: 1 },
		refusal,
		stage: { minUpdates: 2, clients: { bob: { misdeed: { what, round: 1 } } } },
		make: async () => ({ recoveryMs: null }),
	};
}

/** Bob sends something that must have no effect, and then the right thing. */
function harmless(
	what: Misdeed["what"],
	text: string,
	round: number,
	{ refusal, model }: { readonly refusal?: string; readonly model?: ToyModel } = {},
): FaultPoint {
	return {
		group: "stray message",
		what: text,
		kind: "transient",
		...(refusal === undefined ? {} : { refusal }),
		stage: { ...(model === undefined ? {} : { model }), clients: { bob: { misdeed: { what, round } } } },
		make: async () => ({ recoveryMs: null }),
	};
}

/** Faults of content. */
export const CONTENT_POINTS: readonly FaultPoint[] = [
	unusable("throw", "the site's training fails", "client-app"),
	unusable("nan", "NaN in a tensor", "not-finite"),
	unusable("wrong-shape", "a tensor of another shape", "wrong-shape"),
	unusable("missing-tensor", "a tensor is missing", "missing-tensor"),
	unusable("no-samples", "trained on no samples", "zero-samples"),
	unusable("bad-signature", "signed over something else", "bad-signature"),
	harmless("duplicate-calls", "every call of a round comes twice", 1),
	harmless("replay-earlier-round", "the reply of round 1 is sent again in round 2", 2),
	harmless("wrong-run", "a reply that names another run", 1, { refusal: "late" }),
	harmless("foreign-instruction", "a reply to a task that nobody gave", 1, { refusal: "unknown-task" }),
	harmless("garbage-object", "garbage in place of a chunk", 1, { model: LARGE }),
	harmless("wrong-object", "another object's bytes in place of a chunk", 1, { model: LARGE }),
];
