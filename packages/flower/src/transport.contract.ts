// What every transport must do; run by memory-transport.test.ts and node/grpc-transport.test.ts.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FlowerError, type FlowerErrorCode } from "./errors.ts";
import { Fleet } from "./gen/flwr/proto/fleet_pb.ts";
import { ServerAppIo } from "./gen/flwr/proto/serverappio_pb.ts";
import { type CallContext, createRoutes, type Routes, type ServiceHandlers } from "./service.ts";
import type { CallHeaders, Traffic, Transport } from "./transport.ts";

/** A transport to some routes, and whatever must be disposed with it. */
export interface Connection extends AsyncDisposable {
	readonly transport: Transport;
}

/** Connects to `routes`, passing messages up to `maxMessageBytes`. */
export type Connect = (
	routes: Routes,
	options: { readonly maxMessageBytes: number; readonly onTraffic: (traffic: Traffic) => void },
) => Promise<Connection>;

const MAX_MESSAGE_BYTES = 100_000;
const CODES: readonly FlowerErrorCode[] = [
	"cancelled",
	"unknown",
	"invalid-argument",
	"deadline-exceeded",
	"not-found",
	"already-exists",
	"permission-denied",
	"resource-exhausted",
	"failed-precondition",
	"aborted",
	"out-of-range",
	"unimplemented",
	"internal",
	"unavailable",
	"data-loss",
	"unauthenticated",
];

type Handlers = ServiceHandlers<typeof Fleet, string>;

const notServed = async (): Promise<never> => {
	throw new FlowerError("unimplemented", "Not part of this test.");
};

/** Fleet handlers of which only some do anything. */
export function partialFleet<C>(
	handlers: Partial<ServiceHandlers<typeof Fleet, C>>,
): ServiceHandlers<typeof Fleet, C> {
	return {
		registerNode: notServed,
		activateNode: notServed,
		deactivateNode: notServed,
		unregisterNode: notServed,
		sendNodeHeartbeat: notServed,
		pullMessages: notServed,
		pushMessages: notServed,
		getRun: notServed,
		getFab: notServed,
		pushObject: notServed,
		pullObject: notServed,
		confirmMessageReceived: notServed,
		...handlers,
	};
}

/** Resolves when the signal aborts. */
const aborted = (signal: AbortSignal): Promise<void> =>
	new Promise((resolve) => {
		if (signal.aborted) resolve();
		else signal.addEventListener("abort", () => resolve(), { once: true });
	});

/** Defines the suite for one transport; call it inside a `describe`. */
export function defineTransportContract(connect: Connect): void {
	const open = async (
		handlers: Partial<Handlers>,
		admit: (headers: CallHeaders) => string = () => "somebody",
	) => {
		const faults: unknown[] = [];
		const traffic: Traffic[] = [];
		const routes = createRoutes(Fleet, partialFleet(handlers), {
			admit: ({ headers }) => admit(headers),
			onFault: (cause) => faults.push(cause),
		});
		const connection = await connect(routes, {
			maxMessageBytes: MAX_MESSAGE_BYTES,
			onTraffic: (entry) => traffic.push(entry),
		});
		return {
			faults,
			traffic,
			transport: connection.transport,
			[Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
		};
	};
	const { heartbeat, pullObject, pushObject } = {
		heartbeat: Fleet.method.sendNodeHeartbeat,
		pullObject: Fleet.method.pullObject,
		pushObject: Fleet.method.pushObject,
	};

	describe("contract", () => {
		test("ids of all 64 bits and any bytes arrive as they were", async () => {
			await using server = await open({
				pullObject: async (request) => ({
					objectFound: request.node?.nodeId === request.runId,
					objectContent: Buffer.from(request.objectId, "base64"),
				}),
			});
			await fc.assert(
				fc.asyncProperty(
					fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
					fc.uint8Array({ maxLength: 300 }),
					async (id, bytes) => {
						const objectId = Buffer.from(bytes).toString("base64");
						const answer = await server.transport.unary(pullObject, {
							node: { nodeId: id },
							runId: id,
							objectId,
						});
						expect(answer.objectFound).toBe(true);
						expect(Buffer.compare(answer.objectContent, bytes)).toBe(0);
					},
				),
				{ numRuns: 20 },
			);
			expect(server.traffic.length).toBe(20);
			expect(server.traffic[0]).toMatchObject({ method: "/flwr.proto.Fleet/PullObject" });
		});

		test("headers arrive, text as text and bytes as bytes", async () => {
			const seen: CallHeaders[] = [];
			await using server = await open({
				sendNodeHeartbeat: async (_, context: CallContext<string>) => {
					seen.push(context.headers);
					expect(context.method).toBe("/flwr.proto.Fleet/SendNodeHeartbeat");
					expect(context.peer).not.toBe("");
					return { success: context.caller === "somebody" };
				},
			});
			const headers = new Map<string, string | Uint8Array>([
				["zk0-text", "plain"],
				["zk0-data-bin", Uint8Array.of(0, 255, 10)],
			]);
			expect((await server.transport.unary(heartbeat, {}, { headers })).success).toBe(true);
			expect(seen[0]?.get("zk0-text")).toBe("plain");
			expect([...Buffer.from(seen[0]?.get("zk0-data-bin") ?? "")]).toEqual([0, 255, 10]);
		});

		test.each(CODES)("a handler's %s arrives with its text", async (code) => {
			await using server = await open({
				sendNodeHeartbeat: async () => {
					throw new FlowerError(code, "Run is pending.");
				},
			});
			const call = server.transport.unary(heartbeat, {});
			await expect(call).rejects.toMatchObject({ name: "FlowerError", code, message: "Run is pending." });
			expect(server.faults).toEqual([]);
		});

		test("a handler's fault is told to its own side only", async () => {
			const fault = new RangeError("secret path /home/me");
			await using server = await open({
				sendNodeHeartbeat: async () => {
					throw fault;
				},
			});
			const error = await server.transport.unary(heartbeat, {}).catch((caught: unknown) => caught);
			expect(error).toMatchObject({ code: "unknown" });
			expect(String(error)).not.toContain("secret");
			expect(server.faults).toEqual([fault]);
		});

		test("a call refused by its headers does not reach the handler", async () => {
			let numCalls = 0;
			await using server = await open(
				{
					pushObject: async () => {
						numCalls++;
						return { stored: true };
					},
				},
				(headers) => {
					if (headers.get("zk0-key") === "right") return "friend";
					throw new FlowerError("unauthenticated", "Invalid signature");
				},
			);
			const request = { objectContent: new Uint8Array(90_000) };
			await expect(server.transport.unary(pushObject, request)).rejects.toMatchObject({
				code: "unauthenticated",
			});
			expect(numCalls).toBe(0);
			const headers = new Map([["zk0-key", "right"]]);
			expect((await server.transport.unary(pushObject, request, { headers })).stored).toBe(true);
		});

		test("time limits end the call on both sides", async () => {
			const ended: Promise<void>[] = [];
			await using server = await open({
				pullMessages: async (_, { signal }) => {
					ended.push(aborted(signal));
					await aborted(signal);
					return {};
				},
			});
			const call = server.transport.unary(Fleet.method.pullMessages, {}, { timeoutMs: 200 });
			await expect(call).rejects.toMatchObject({ code: "deadline-exceeded" });
			await Promise.all(ended);
			expect(ended.length).toBe(1);
		});

		test("cancelling ends the call on both sides", async () => {
			const controller = new AbortController();
			const ended: Promise<void>[] = [];
			await using server = await open({
				pullMessages: async (_, { signal }) => {
					ended.push(aborted(signal));
					controller.abort(new RangeError("enough"));
					await aborted(signal);
					return {};
				},
			});
			const call = server.transport.unary(Fleet.method.pullMessages, {}, { signal: controller.signal });
			await expect(call).rejects.toMatchObject({ code: "cancelled", cause: { message: "enough" } });
			await Promise.all(ended);
			expect(ended.length).toBe(1);
			const again = server.transport.unary(Fleet.method.pullMessages, {}, { signal: controller.signal });
			await expect(again).rejects.toMatchObject({ code: "cancelled" });
			expect(ended.length).toBe(1);
		});

		test("what is not served is named", async () => {
			await using server = await open({});
			await expect(server.transport.unary(ServerAppIo.method.getNodes, {})).rejects.toMatchObject({
				code: "unimplemented",
			});
		});

		test("messages over the limit are refused in both directions", async () => {
			await using server = await open({
				pushObject: async () => ({ stored: true }),
				pullObject: async () => ({ objectContent: new Uint8Array(MAX_MESSAGE_BYTES + 1) }),
			});
			const large = { objectContent: new Uint8Array(MAX_MESSAGE_BYTES + 1) };
			await expect(server.transport.unary(pushObject, large)).rejects.toMatchObject({
				code: "resource-exhausted",
			});
			await expect(server.transport.unary(pullObject, {})).rejects.toMatchObject({
				code: "resource-exhausted",
			});
			const answer = await server.transport.unary(pushObject, { objectContent: new Uint8Array(90_000) });
			expect(answer.stored).toBe(true);
		});

		test("fifty calls at once", async () => {
			await using server = await open({
				getRun: async ({ runId }) => ({ run: { runId: runId + 1n } }),
			});
			const ids = Array.from({ length: 50 }, (_, index) => BigInt(index));
			const answers = await Promise.all(
				ids.map((runId) => server.transport.unary(Fleet.method.getRun, { runId })),
			);
			expect(answers.map(({ run }) => run?.runId)).toEqual(ids.map((id) => id + 1n));
		});

		test("disposal ends calls and refuses new ones", async () => {
			let started = (): void => undefined;
			const isStarted = new Promise<void>((resolve) => {
				started = resolve;
			});
			await using server = await open({
				pullMessages: async (_, { signal }) => {
					started();
					await aborted(signal);
					return {};
				},
			});
			const call = server.transport.unary(Fleet.method.pullMessages, {}).catch((caught: unknown) => caught);
			await isStarted;
			await server.transport[Symbol.asyncDispose]();
			await server.transport[Symbol.asyncDispose]();
			expect(await call).toMatchObject({ code: "unavailable" });
			await expect(server.transport.unary(heartbeat, {})).rejects.toMatchObject({ code: "unavailable" });
		});
	});
}
