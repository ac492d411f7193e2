// A node that breaks the protocol on purpose: calls are changed between the real client and the real transport.
import { Fleet, FlowerError, type NodeIdentity, type Transport } from "@zk0/flower";
import type { Misdeed } from "./settings.ts";

/** Where the node is in its run. */
export interface NodePosition {
	/** Round of the training task at hand; 0 outside training. */
	readonly round: number;
}

type PushedReply = Parameters<Transport["unary"]>[1] & {
	readonly messagesList: readonly { readonly metadata: Readonly<Record<string, unknown>> }[];
};

interface PushedObject {
	readonly objectId: string;
	readonly objectContent: Uint8Array;
}

/** An object of this size is a chunk that others follow, or an array of that size. */
const FULL_CHUNK_BYTES = 5 << 20;

/** An identity that signs its replies wrongly, or dies of it, in the misdeed's round. */
export function misbehavingIdentity(
	identity: NodeIdentity,
	misdeed: Misdeed | null,
	at: NodePosition,
): NodeIdentity {
	return {
		...identity,
		sign: (text) => {
			if (!text.startsWith("zk0 reply") || at.round !== misdeed?.round) return identity.sign(text);
			if (misdeed.what === "die-signing") process.kill(process.pid, "SIGKILL");
			return identity.sign(misdeed.what === "bad-signature" ? `${text}!` : text);
		},
	};
}

/** A transport that does the misdeed before, or in addition to, what it is asked for. */
export function misbehavingTransport(
	transport: Transport,
	misdeed: Misdeed | null,
	at: NodePosition,
): Transport {
	if (misdeed === null) return transport;
	const { what } = misdeed;
	let earlier: PushedReply | null = null;
	let isDone = false;
	let lastContent: Uint8Array | null = null;
	const isTime = (): boolean => !isDone && at.round === misdeed.round;
	return {
		unary: async (method, request, options) => {
			const again = (changed: unknown): Promise<unknown> =>
				// Of the same type as the request that it was made from.
				transport.unary(method, changed as typeof request, options).catch(refusalOf);
			if (method.name === Fleet.method.pushMessages.name) {
				// The method says that it is one.
				const reply = request as unknown as PushedReply;
				if (isTime()) {
					const changed = changedReply(what, reply, earlier);
					if (changed !== null) {
						isDone = true;
						await again(changed);
					}
				}
				earlier ??= at.round > 0 ? reply : null;
			}
			if (method.name === Fleet.method.pushObject.name && isTime()) {
				// The method says that it is one.
				const pushed = request as unknown as PushedObject;
				// A full chunk and no shorter one, whichever is sent first: its size is most of what the server takes at all.
				const isFull = pushed.objectContent.length >= FULL_CHUNK_BYTES;
				const content = isFull ? changedContent(what, pushed.objectContent, lastContent) : null;
				lastContent = pushed.objectContent;
				if (content !== null) {
					isDone = true;
					await again({ ...pushed, objectContent: content });
				}
			}
			if (what === "duplicate-calls" && at.round === misdeed.round) await again(request);
			return await transport.unary(method, request, options);
		},
		[Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
	};
}

function changedReply(what: Misdeed["what"], reply: PushedReply, earlier: PushedReply | null) {
	const metadata = reply.messagesList[0]?.metadata ?? {};
	if (what === "replay-earlier-round") return earlier;
	if (what === "wrong-run")
		return { ...reply, messagesList: [{ metadata: { ...metadata, runId: 12_345n } }] };
	if (what === "foreign-instruction")
		return { ...reply, messagesList: [{ metadata: { ...metadata, replyToMessageId: "ab".repeat(32) } }] };
	return null;
}

function changedContent(what: Misdeed["what"], content: Uint8Array, other: Uint8Array | null) {
	if (what === "garbage-object") return content.map((byte) => byte ^ 0x5a);
	return what === "wrong-object" ? other : null;
}

/** What a server says to a misdeed is in its log; here it only must not end the client. */
function refusalOf(error: unknown): undefined {
	if (error instanceof FlowerError) return undefined;
	throw error;
}
