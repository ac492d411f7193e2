// A site's standing with the server: registers, repeats calls that failed on the way, and registers again when the server
// has forgotten the node (after a restart, say). The layer between the raw transport and the client loop.
import type { SiteInfo } from "./client-app.ts";
import type { Clock } from "./clock.ts";
import { FederationError } from "./errors.ts";
import type { NodeId, RequestOf, ResponseOf, UnaryMethod } from "./protocol.ts";
import { createBackoff, type RetryOptions } from "./retry.ts";
import type { CallOptions, Transport } from "./transport.ts";

/** Options of `createNodeSession`. */
export interface NodeSessionOptions {
	readonly transport: Transport;
	readonly site: string;
	readonly info: SiteInfo;
	readonly clock: Clock;
	/** For every call; a held pull gets its waiting time on top. */
	readonly timeoutMs: number;
	readonly retry: RetryOptions;
}

/** Calls as a registered node. */
export interface NodeSession {
	/** A call, repeated while that can help. @throws FederationError when it cannot. */
	call<M extends UnaryMethod>(
		method: M,
		request: (nodeId: NodeId) => RequestOf<M>,
		options?: CallOptions,
	): Promise<ResponseOf<M>>;
	/** A call made once, on the current registration; null when there is none. */
	callOnce<M extends UnaryMethod>(
		method: M,
		request: (nodeId: NodeId) => RequestOf<M>,
		options?: CallOptions,
	): Promise<ResponseOf<M> | null>;
	/** An object's bytes from `offset()`, resumed there when the connection breaks. */
	pullObject(sha256: string, offset: () => number, options?: CallOptions): AsyncIterable<Uint8Array>;
}

/** A session that registers on its first call. */
export function createNodeSession(options: NodeSessionOptions): NodeSession {
	const { transport, site, info, clock, timeoutMs, retry } = options;
	let current: NodeId | null = null;
	let registering: Promise<NodeId> | null = null;

	const register = (signal: AbortSignal | undefined): Promise<NodeId> => {
		registering ??= transport
			.unary("registerNode", { site, info }, { signal, timeoutMs })
			.then(({ nodeId }) => {
				current = nodeId;
				return nodeId;
			})
			.finally(() => {
				registering = null;
			});
		return registering;
	};
	/** True when the failure only means that the node has to register again. */
	const forget = (failure: unknown, used: NodeId | null): boolean => {
		if (!(failure instanceof FederationError && failure.code === "unknown-node") || used === null)
			return false;
		if (current === used) current = null;
		return true;
	};
	return {
		async call(method, request, callOptions = {}) {
			const backoff = createBackoff(site, clock, retry);
			for (;;) {
				let used: NodeId | null = null;
				try {
					used = current ?? (await register(callOptions.signal));
					return await transport.unary(method, request(used), { timeoutMs, ...callOptions });
				} catch (failure) {
					if (!forget(failure, used)) await backoff.pause(failure, callOptions.signal);
				}
			}
		},
		async callOnce(method, request, callOptions = {}) {
			if (current === null) return null;
			return await transport.unary(method, request(current), { timeoutMs, ...callOptions });
		},
		async *pullObject(sha256, offset, callOptions = {}) {
			const backoff = createBackoff(site, clock, retry);
			for (;;) {
				let used: NodeId | null = null;
				try {
					used = current ?? (await register(callOptions.signal));
					const request = { nodeId: used, sha256, offset: offset() };
					for await (const bytes of transport.stream("pullObject", request, { timeoutMs, ...callOptions })) {
						yield bytes;
						backoff.reset();
					}
					return;
				} catch (failure) {
					if (!forget(failure, used)) await backoff.pause(failure, callOptions.signal);
				}
			}
		},
	};
}
