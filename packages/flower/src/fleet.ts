// The Fleet API with its authentication, on both sides: who calls is proved by headers, and what a request claims
// must belong to that caller.
import { FlowerError, type RefusalReason } from "./errors.ts";
import { Fleet } from "./gen/flwr/proto/fleet_pb.ts";
import {
	ARRAY_CHUNK_BYTES,
	MAX_ANNOUNCEMENT_BYTES,
	MAX_RPC_MESSAGE_BYTES,
	MAX_SMALL_REQUEST_BYTES,
} from "./limits.ts";
import { callSigner, callVerifier, claimedKey, type NodeIdentity } from "./node-auth.ts";
import { addressOf } from "./peer-address.ts";
import {
	type CallInfo,
	createRoutes,
	type Route,
	type ServiceHandlers,
	type ServiceOptions,
} from "./service.ts";
import type { Transport } from "./transport.ts";

/** Who made a Fleet call. */
export interface FleetCaller {
	readonly publicKeyPem: string;
	/** Undefined for a key that has no node yet: such a caller may only register and activate. */
	readonly nodeId: bigint | undefined;
}

/** Handlers of the Fleet API. */
export type FleetHandlers = ServiceHandlers<typeof Fleet, FleetCaller>;

/** What the Fleet API needs to know to authenticate. */
export interface FleetOptions extends Pick<ServiceOptions<FleetCaller>, "onFault" | "onRefused"> {
	/** Milliseconds since the Unix epoch. */
	readonly now: () => number;
	/** The node that this key (PEM) is registered for. */
	readonly nodeIdOf: (publicKeyPem: string) => bigint | undefined;
	/** Bounds the calls; absent: as many as there are (simulations). */
	readonly guard?: FleetGuard;
}

/** What is asked around the check of a call's signature, the costly part. */
export interface FleetGuard {
	/** Before; the key (PEM) is only claimed. @throws FlowerError to turn the call away */
	arrived(info: CallInfo, claimedKeyPem: string | undefined): void;
	/** After. @throws FlowerError to turn the call away */
	authenticated(info: CallInfo, caller: FleetCaller): void;
}

const OPEN_TO_UNKNOWN_KEYS: ReadonlySet<string> = new Set([
	"/flwr.proto.Fleet/RegisterNode",
	"/flwr.proto.Fleet/ActivateNode",
]);

/** Requests that are not small. */
const MAX_REQUEST_BYTES: ReadonlyMap<string, number> = new Map([
	["/flwr.proto.Fleet/PushObject", MAX_RPC_MESSAGE_BYTES],
	["/flwr.proto.Fleet/PushMessages", MAX_ANNOUNCEMENT_BYTES],
]);

/** Calls whose answers carry content. */
const LARGE_ANSWERS: ReadonlySet<string> = new Set([
	"/flwr.proto.Fleet/PullObject",
	"/flwr.proto.Fleet/GetFab",
]);

/**
 * The Fleet API over `handlers`. Calls without valid headers, from unknown keys, or for another node than the
 * caller's are refused with `unauthenticated` before a handler runs.
 */
export function fleetRoutes(handlers: FleetHandlers, options: FleetOptions): Map<string, Route> {
	const verify = callVerifier();
	const { guard, onFault, onRefused } = options;
	return createRoutes(Fleet, handlers, {
		onFault,
		...(onRefused === undefined ? {} : { onRefused }),
		admit: (info) => {
			const { headers, method } = info;
			guard?.arrived(info, claimedKey(headers));
			const publicKeyPem = verify(headers, options.now());
			const nodeId = options.nodeIdOf(publicKeyPem);
			const caller = { publicKeyPem, nodeId };
			guard?.authenticated(info, caller);
			if (nodeId === undefined && !OPEN_TO_UNKNOWN_KEYS.has(method)) throw invalidNode(method, "unknown-key");
			return caller;
		},
		bounds: ({ nodeId }, { method, peer }) => ({
			account: nodeId === undefined ? addressOf(peer) : `node ${nodeId}`,
			isTrusted: nodeId !== undefined,
			maxRequestBytes: MAX_REQUEST_BYTES.get(method) ?? MAX_SMALL_REQUEST_BYTES,
			answerBytes: LARGE_ANSWERS.has(method) ? ARRAY_CHUNK_BYTES : 0,
		}),
		check: checkClaim,
	});
}

/** A transport that adds the node's authentication to every call. Disposes `transport` when disposed. */
export function authenticated(transport: Transport, identity: NodeIdentity, now: () => number): Transport {
	const headersNow = callSigner(identity, now);
	return {
		unary: (method, request, options = {}) =>
			transport.unary(method, request, {
				...options,
				headers: new Map([...(options.headers ?? []), ...headersNow()]),
			}),
		[Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
	};
}

/** Every Fleet request names its node as `node`, as `nodeId`, or by `publicKey`. */
function checkClaim(request: object, caller: FleetCaller): void {
	if ("publicKey" in request) {
		const claimed = request.publicKey;
		const isOwn =
			claimed instanceof Uint8Array && Buffer.from(claimed).toString("latin1") === caller.publicKeyPem;
		if (!isOwn) throw invalidNode(undefined, "other-node");
	} else if (claimedNodeId(request) !== caller.nodeId) throw invalidNode(undefined, "other-node");
}

function claimedNodeId(request: object): unknown {
	if ("nodeId" in request) return request.nodeId;
	const node = "node" in request ? request.node : undefined;
	return typeof node === "object" && node !== null && "nodeId" in node ? node.nodeId : null;
}

function invalidNode(method: string | undefined, reason: RefusalReason): FlowerError {
	return new FlowerError("unauthenticated", "Invalid node ID", { method, reason });
}
