// What every transport must hold to, run against a server that the test controls.
import { describe, expect, test } from "vitest";
import { type ManualClock, manualClock } from "./clock.ts";
import { FederationError } from "./errors.ts";
import { nodeId, type RequestOf, type ResponseOf, type UnaryMethod } from "./protocol.ts";
import type { CallOptions, FleetCalls, Transport } from "./transport.ts";

/** Connects a transport to a server's handlers; timeouts run on `clock`. */
export type ConnectTransport = (server: FleetCalls, clock: ManualClock) => Promise<Transport>;

const NODE = nodeId("node-1");
const SHA256 = "a".repeat(64);

/** A server whose unary answers come from `answer` and whose streams come from `chunks`. */
function scripted(
	answer: (method: UnaryMethod, request: unknown, options: CallOptions) => Promise<unknown>,
	chunks: (options: CallOptions) => AsyncGenerator<Uint8Array> = async function* () {},
): FleetCalls {
	return {
		unary: async <M extends UnaryMethod>(method: M, request: RequestOf<M>, options: CallOptions = {}) =>
			// The tests answer each method with its own type.
			(await answer(method, request, options)) as ResponseOf<M>,
		stream: (_method, _request, options = {}) => chunks(options),
	};
}

async function forever(): Promise<never> {
	return await new Promise(() => undefined);
}

/** Lets pending continuations run. */
async function settle(): Promise<void> {
	for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
}

async function* bytes(...parts: number[][]): AsyncGenerator<Uint8Array> {
	for (const part of parts) yield Uint8Array.from(part);
}

const PULL = { nodeId: NODE, sha256: SHA256, offset: 0 };

/** Describes the contract for the transport made by `connect`. */
export function describeTransport(title: string, connect: ConnectTransport): void {
	describe(`transport contract: ${title}`, () => {
		test("carries requests and responses, binary content included, and shares no memory", async () => {
			const seen: unknown[] = [];
			const content = Uint8Array.from([0, 255, 10, 13]);
			const server = scripted(async (_method, request) => {
				seen.push(structuredClone(request));
				return { status: { kind: "wanted", offset: 4 } };
			});
			await using transport = await connect(server, manualClock());
			const request = { nodeId: NODE, taskId: "t", sha256: SHA256, offset: 0, content };
			const response = await transport.unary("pushObject", request);
			expect(response).toEqual({ status: { kind: "wanted", offset: 4 } });
			expect(seen).toEqual([request]);
			const { bytesUp, bytesDown } = transport.traffic();
			expect(bytesUp).toBeGreaterThan(content.length);
			expect(bytesDown).toBeGreaterThan(0);
		});

		test("carries errors with their code and message", async () => {
			const server = scripted(() => Promise.reject(new FederationError("unknown-node", "register again")));
			await using transport = await connect(server, manualClock());
			const call = transport.unary("pullTask", { nodeId: NODE, waitMs: 0 });
			await expect(call).rejects.toMatchObject({ code: "unknown-node", message: "register again" });
		});

		test("streams bytes in order and counts them", async () => {
			await using transport = await connect(
				scripted(forever, () => bytes([1, 2], [], [3])),
				manualClock(),
			);
			const received: number[] = [];
			for await (const chunk of transport.stream("pullObject", PULL)) received.push(...chunk);
			expect(received).toEqual([1, 2, 3]);
			expect(transport.traffic().bytesDown).toBe(3);
		});

		test("ends the server's side when a stream is left early, and passes on its errors", async () => {
			let isEnded = false;
			const endless = async function* (): AsyncGenerator<Uint8Array> {
				try {
					for (;;) yield Uint8Array.of(1);
				} finally {
					isEnded = true;
				}
			};
			const broken = async function* (): AsyncGenerator<Uint8Array> {
				yield Uint8Array.of(1);
				throw new FederationError("unknown-object", "gone");
			};
			{
				await using transport = await connect(scripted(forever, endless), manualClock());
				for await (const chunk of transport.stream("pullObject", PULL)) if (chunk.length > 0) break;
				await settle();
				expect(isEnded).toBe(true);
			}
			await using transport = await connect(scripted(forever, broken), manualClock());
			const drain = async (): Promise<void> => {
				for await (const chunk of transport.stream("pullObject", PULL)) expect(chunk).toHaveLength(1);
			};
			await expect(drain()).rejects.toMatchObject({ code: "unknown-object" });
		});

		test("cancels a call with the caller's signal, and tells the server", async () => {
			let serverSignal: AbortSignal | undefined;
			const server = scripted(async (_method, _request, { signal }) => {
				serverSignal = signal;
				return await forever();
			});
			await using transport = await connect(server, manualClock());
			const cancel = new AbortController();
			const call = transport.unary("pullTask", { nodeId: NODE, waitMs: 1 }, { signal: cancel.signal });
			await settle();
			cancel.abort();
			await expect(call).rejects.toMatchObject({ code: "cancelled" });
			await settle();
			expect(serverSignal?.aborted).toBe(true);
			const late = transport.unary("pullTask", { nodeId: NODE, waitMs: 1 }, { signal: cancel.signal });
			await expect(late).rejects.toMatchObject({ code: "cancelled" });
		});

		test("ends a silent call and a silent stream with `deadline`, and leaves no timer", async () => {
			const clock = manualClock();
			const silent = async function* (): AsyncGenerator<Uint8Array> {
				yield Uint8Array.of(1);
				await forever();
			};
			await using transport = await connect(scripted(forever, silent), clock);
			const call = transport.unary("pullTask", { nodeId: NODE, waitMs: 1 }, { timeoutMs: 50 });
			const failure = call.catch((error: unknown) => error);
			await settle();
			clock.advance(50);
			expect(await failure).toMatchObject({ code: "deadline" });
			const iterator = transport.stream("pullObject", PULL, { timeoutMs: 50 })[Symbol.asyncIterator]();
			expect(await iterator.next()).toEqual({ done: false, value: Uint8Array.of(1) });
			const ending = iterator.next().catch((error: unknown) => error);
			await settle();
			clock.advance(50);
			expect(await ending).toMatchObject({ code: "deadline" });
			expect(clock.numSleepers).toBe(0);
		});

		test("a call that is answered in time leaves no timer", async () => {
			const clock = manualClock();
			await using transport = await connect(
				scripted(async () => ({ task: null })),
				clock,
			);
			await transport.unary("pullTask", { nodeId: NODE, waitMs: 1 }, { timeoutMs: 50 });
			await settle();
			expect(clock.numSleepers).toBe(0);
		});

		test("ends open calls when it is disposed and refuses new ones", async () => {
			const transport = await connect(scripted(forever), manualClock());
			const call = transport.unary("pullTask", { nodeId: NODE, waitMs: 1 });
			const failure = call.catch((error: unknown) => error);
			await settle();
			await transport[Symbol.asyncDispose]();
			expect(await failure).toMatchObject({ code: "closed" });
			const late = transport.unary("pullTask", { nodeId: NODE, waitMs: 1 });
			await expect(late).rejects.toMatchObject({ code: "closed" });
			await transport[Symbol.asyncDispose]();
		});
	});
}
