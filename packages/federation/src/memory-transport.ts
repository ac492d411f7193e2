// A transport inside one process. Messages are serialised as on a wire (so sizes are real and nothing is shared), calls go
// straight to the server's handlers, and faults can be injected at chosen calls. Deterministic: no timers of its own.
import type { Clock } from "./clock.ts";
import { FederationError, isCancelled, throwIfCancelled } from "./errors.ts";
import type { RequestOf, ResponseOf, StreamMethod, StreamRequestOf, UnaryMethod } from "./protocol.ts";
import type { CallOptions, FleetCalls, Traffic, Transport } from "./transport.ts";

/** A call, as far as a fault plan sees it. */
export interface CallSite {
	readonly method: UnaryMethod | StreamMethod;
	/** How many calls of this method were made before. */
	readonly index: number;
}

/** What happens to a call instead of simply arriving. Delays let calls overtake each other. */
export type Fault =
	/** Never reaches the server. */
	| { readonly kind: "drop-request" }
	/** Takes effect at the server, but the answer is lost. */
	| { readonly kind: "drop-response" }
	/** Reaches the server twice; the second answer is returned. */
	| { readonly kind: "duplicate" }
	/** Reaches the server when `until` resolves. */
	| { readonly kind: "delay"; readonly until: Promise<void> }
	/** A stream breaks after this many bytes. */
	| { readonly kind: "cut"; readonly afterBytes: number };

/** Options of `memoryTransport`. */
export interface MemoryTransportOptions {
	readonly clock: Clock;
	/** Chooses a fault for a call; default: none. */
	readonly faults?: (call: CallSite) => Fault | null;
}

/** A node's transport to the server with these handlers. */
export function memoryTransport(server: FleetCalls, options: MemoryTransportOptions): Transport {
	return new MemoryTransport(server, options);
}

class MemoryTransport implements Transport {
	readonly #server: FleetCalls;
	readonly #clock: Clock;
	readonly #faults: (call: CallSite) => Fault | null;
	readonly #closing = new AbortController();
	readonly #numCalls = new Map<string, number>();
	#bytesUp = 0;
	#bytesDown = 0;

	constructor(server: FleetCalls, options: MemoryTransportOptions) {
		this.#server = server;
		this.#clock = options.clock;
		this.#faults = options.faults ?? (() => null);
	}

	traffic(): Traffic {
		return { bytesUp: this.#bytesUp, bytesDown: this.#bytesDown };
	}

	async unary<M extends UnaryMethod>(
		method: M,
		request: RequestOf<M>,
		options: CallOptions = {},
	): Promise<ResponseOf<M>> {
		return await this.#guard(options, `call ${method}`, async (signal) => {
			const fault = this.#nextFault(method);
			const sent = encode(request);
			this.#bytesUp += sent.sizeBytes;
			if (fault?.kind === "drop-request") throw lost(method);
			if (fault?.kind === "delay") await fault.until;
			throwIfCancelled(signal, `call ${method}`);
			const call = async (): Promise<ResponseOf<M>> =>
				// The server checks what it gets.
				await this.#server.unary(method, decode(sent) as RequestOf<M>, { signal });
			if (fault?.kind === "duplicate") await call();
			const response = encode(await call());
			this.#bytesDown += response.sizeBytes;
			if (fault?.kind === "drop-response") throw lost(method);
			return decode(response) as ResponseOf<M>; // encoded from that type one line above
		});
	}

	async *stream<M extends StreamMethod>(
		method: M,
		request: StreamRequestOf<M>,
		options: CallOptions = {},
	): AsyncGenerator<Uint8Array> {
		const fault = this.#nextFault(method);
		const sent = encode(request);
		this.#bytesUp += sent.sizeBytes;
		if (fault?.kind === "drop-request") throw lost(method);
		if (fault?.kind === "delay") await fault.until;
		const ending = new AbortController();
		const chunks = this.#server.stream(method, decode(sent) as StreamRequestOf<M>, { signal: ending.signal });
		const iterator = chunks[Symbol.asyncIterator]();
		let remainingBytes = fault?.kind === "cut" ? fault.afterBytes : Number.POSITIVE_INFINITY;
		try {
			for (;;) {
				const next = await this.#guard(options, `stream ${method}`, () => iterator.next());
				if (next.done === true) return;
				const bytes = next.value.subarray(0, Math.min(next.value.length, remainingBytes));
				remainingBytes -= bytes.length;
				this.#bytesDown += bytes.length;
				yield bytes;
				if (remainingBytes === 0) throw lost(method);
			}
		} finally {
			ending.abort();
			// Not awaited: a server that hangs must not hold the caller, whose error is on its way already.
			iterator.return?.().catch(endedAnyway);
		}
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#closing.abort();
		await Promise.resolve();
	}

	#nextFault(method: UnaryMethod | StreamMethod): Fault | null {
		const index = this.#numCalls.get(method) ?? 0;
		this.#numCalls.set(method, index + 1);
		return this.#faults({ method, index });
	}

	/** Runs `action` until it is done, the caller cancels, the time is up or the transport is closed. */
	async #guard<T>(
		{ signal, timeoutMs }: CallOptions,
		what: string,
		action: (signal: AbortSignal) => Promise<T>,
	): Promise<T> {
		throwIfCancelled(signal, what);
		if (this.#closing.signal.aborted) throw new FederationError("closed", `${what}: the transport is closed`);
		const ending = new AbortController();
		const sources = [this.#closing.signal, ...(signal === undefined ? [] : [signal])];
		const onAbort = (): void => ending.abort();
		for (const source of sources) source.addEventListener("abort", onAbort, { once: true });
		try {
			return await Promise.race([action(ending.signal), this.#end(ending.signal, timeoutMs, what, signal)]);
		} finally {
			for (const source of sources) source.removeEventListener("abort", onAbort);
			ending.abort();
		}
	}

	/** Rejects when a call has to end early; settles quietly once the call is over. */
	async #end(
		ending: AbortSignal,
		timeoutMs: number | undefined,
		what: string,
		signal: AbortSignal | undefined,
	): Promise<never> {
		if (timeoutMs === undefined) {
			await new Promise<void>((resolve) => {
				ending.addEventListener("abort", () => resolve(), { once: true });
			});
		} else {
			await this.#clock.sleep(timeoutMs, { signal: ending }).catch(endedFirst);
		}
		throwIfCancelled(signal, what);
		if (this.#closing.signal.aborted) throw new FederationError("closed", `${what}: the transport is closed`);
		throw new FederationError("deadline", `${what}: no answer for ${timeoutMs} ms`);
	}
}

/** What a stream says after its reader has gone. */
function endedAnyway(): void {}

/** The sleep of a call's deadline ends with the call. */
function endedFirst(error: unknown): void {
	if (!isCancelled(error)) throw error;
}

interface Encoded {
	readonly json: string;
	/** Raw bytes travel beside the JSON. */
	readonly content: Uint8Array | null;
	readonly sizeBytes: number;
}

function encode(message: object | null): Encoded {
	let content: Uint8Array | null = null;
	const json = JSON.stringify(message, (key, value: unknown) => {
		if (!(key === "content" && value instanceof Uint8Array)) return value;
		content = value;
		return null;
	});
	return { json, content, sizeBytes: Buffer.byteLength(json) + (content ?? new Uint8Array(0)).length };
}

function decode({ json, content }: Encoded): unknown {
	const message: unknown = JSON.parse(json);
	return content === null || typeof message !== "object" ? message : { ...message, content };
}

function lost(method: string): FederationError {
	return new FederationError("unavailable", `the connection broke during ${method}; try again`);
}
