// A site's standing with the server: signs calls with the site's key, joins, repeats calls that failed on the way, and
// joins again when the server has forgotten that the node is online (after a restart, say). To everything above it is a
// transport.
import {
	authenticated,
	type CallOptions,
	Fleet,
	FlowerError,
	type NodeIdentity,
	type Transport,
} from "@zk0/flower";
import type { SiteInfo } from "./client-app.ts";
import type { Clock } from "./clock.ts";
import { createBackoff, isTransient, type RetryOptions } from "./retry.ts";

/** Options of `createNodeSession`. */
export interface NodeSessionOptions {
	/** The caller disposes it. */
	readonly transport: Transport;
	readonly identity: NodeIdentity;
	readonly site: string;
	/** Secret of an invitation, or empty. */
	readonly invite: string;
	readonly info: SiteInfo;
	/** Names this life of the client. */
	readonly session: string;
	readonly clock: Clock;
	/** For every call that does not say otherwise. */
	readonly timeoutMs: number;
	/** Shortest promise of a sign of life that Flower's protocol allows is 10 s. */
	readonly heartbeatSeconds: number;
	readonly retry: RetryOptions;
	/** Is told when the server wants the operator's approval first, with its words. */
	readonly onPending: (message: string) => void;
	/** Is told of every failure that will be tried again. */
	readonly onRetry: (failure: FlowerError) => void;
}

/** Calls as a node that is online. */
export interface NodeSession {
	readonly session: string;
	/** Tells something else about the site. @throws as `join` */
	announce(info: SiteInfo, signal?: AbortSignal): Promise<void>;
	/** Joins when needed. @throws FlowerError when the server does not admit the site */
	join(signal?: AbortSignal): Promise<bigint>;
	/** Repeats calls while that can help; disposing it does nothing. */
	readonly calls: Transport;
	/** Makes a call once as the node that has joined; undefined when it has not. */
	once(signal: AbortSignal): { readonly calls: Transport; readonly nodeId: bigint } | undefined;
}

/** How often a site asks whether it was approved meanwhile. */
const PENDING_DELAY_MS = 2000;

/** A session that joins on its first call. */
export function createNodeSession(options: NodeSessionOptions): NodeSession {
	let { info } = options;
	const { identity, site, invite, session, clock, timeoutMs, retry, onPending, onRetry } = options;
	const signed = authenticated(options.transport, identity, () => clock.now());
	const publicKey = Buffer.from(identity.publicKeyPem);
	let joined: bigint | null = null;
	let joining: Promise<bigint> | null = null;
	let numJoins = 0;

	const activate = async (callOptions: CallOptions): Promise<bigint> => {
		const request = {
			publicKey,
			heartbeatInterval: options.heartbeatSeconds,
			session,
			...(info.numSamples === null ? {} : { numSamples: BigInt(info.numSamples) }),
			details: JSON.stringify(info.details),
		};
		return (await signed.unary(Fleet.method.activateNode, request, callOptions)).nodeId;
	};
	const join = async (signal: AbortSignal | undefined): Promise<bigint> => {
		const callOptions = { timeoutMs, ...(signal === undefined ? {} : { signal }) };
		for (;;) {
			try {
				return await activate(callOptions);
			} catch (failure) {
				if (!(failure instanceof FlowerError)) throw failure;
				if (failure.code === "failed-precondition") {
					await signed.unary(Fleet.method.registerNode, { publicKey, site, invite }, callOptions);
				} else if (failure.code === "permission-denied") {
					onPending(failure.message);
					await clock.sleep(PENDING_DELAY_MS, { signal });
				} else throw failure;
			}
		}
	};
	const joinOnce = (signal: AbortSignal | undefined): Promise<bigint> => {
		joining ??= join(signal)
			.then((nodeId) => {
				joined = nodeId;
				numJoins++;
				return nodeId;
			})
			.finally(() => {
				joining = null;
			});
		return joining;
	};
	/** Runs `action` as a node that is online, as often as it takes. */
	const persist = async <T>(signal: AbortSignal | undefined, action: () => Promise<T>): Promise<T> => {
		const backoff = createBackoff(site, clock, retry);
		for (;;) {
			let asJoined: number | null = null;
			try {
				if (joined === null) await joinOnce(signal);
				asJoined = numJoins;
				return await action();
			} catch (failure) {
				if (failure instanceof FlowerError && failure.code === "aborted" && asJoined !== null) {
					// Of calls that run beside each other the first one to hear of it joins for all.
					if (asJoined === numJoins) joined = null;
					continue;
				}
				// Any other one is not tried again, a call that was given up among them.
				if (failure instanceof FlowerError && isTransient(failure)) onRetry(failure);
				await backoff.pause(failure, signal);
			}
		}
	};
	return {
		session,
		async announce(changed, signal) {
			info = changed;
			joined = null;
			await persist(signal, async () => joined ?? (await joinOnce(signal)));
		},
		join: async (signal) => await persist(signal, async () => joined ?? (await joinOnce(signal))),
		calls: {
			unary: (method, request, callOptions = {}) =>
				persist(callOptions.signal, () => signed.unary(method, request, { timeoutMs, ...callOptions })),
			[Symbol.asyncDispose]: () => Promise.resolve(),
		},
		once: (signal) => {
			if (joined === null) return undefined;
			const rejoining: Transport = {
				...signed,
				unary: async (method, request, callOptions) => {
					try {
						return await signed.unary(method, request, { timeoutMs, signal, ...callOptions });
					} catch (failure) {
						// Forgotten by the server: be there again at once, whatever long work is under way.
						if (failure instanceof FlowerError && failure.code === "aborted") await joinOnce(signal);
						throw failure;
					}
				},
			};
			return { calls: rejoining, nodeId: joined };
		},
	};
}
