// The Fleet API with its authentication, on both sides: who calls is proved by headers, and what a request claims
// must belong to that caller.
import { FlowerError } from "./errors.ts";
import { Fleet } from "./gen/flwr/proto/fleet_pb.ts";
import { callSigner, callVerifier, type NodeIdentity } from "./node-auth.ts";
import { createRoutes, type Route, type ServiceHandlers, type ServiceOptions } from "./service.ts";
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
export interface FleetOptions extends Pick<ServiceOptions<FleetCaller>, "onFault"> {
	/** Milliseconds since the Unix epoch. */
	readonly now: () => number;
	/** The node that this key (PEM) is registered for. */
	readonly nodeIdOf: (publicKeyPem: string) => bigint | undefined;
}

const OPEN_TO_UNKNOWN_KEYS: ReadonlySet<string> = new Set([
	"/flwr.proto.Fleet/RegisterNode",
	"/flwr.proto.Fleet/ActivateNode",
]);

/**
 * The Fleet API over `handlers`. Calls without valid headers, from unknown keys, or for another node than the
 * caller's are refused with `unauthenticated` before a handler runs.
 */
export function fleetRoutes(handlers: FleetHandlers, options: FleetOptions): Map<string, Route> {
	const verify = callVerifier();
	return createRoutes(Fleet, handlers, {
		onFault: options.onFault,
		admit: ({ headers, method }) => {
			const publicKeyPem = verify(headers, options.now());
			const nodeId = options.nodeIdOf(publicKeyPem);
			if (nodeId === undefined && !OPEN_TO_UNKNOWN_KEYS.has(method)) throw invalidNode(method);
			return { publicKeyPem, nodeId };
		},
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
		if (!isOwn) throw invalidNode();
	} else if (claimedNodeId(request) !== caller.nodeId) throw invalidNode();
}

function claimedNodeId(request: object): unknown {
	if ("nodeId" in request) return request.nodeId;
	const node = "node" in request ? request.node : undefined;
	return typeof node === "object" && node !== null && "nodeId" in node ? node.nodeId : null;
}

function invalidNode(method?: string): FlowerError {
	return new FlowerError("unauthenticated", "Invalid node ID", { method });
}
