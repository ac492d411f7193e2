import { describe, expect, test } from "vitest";
import { manualClock } from "./clock.ts";
import { type Fault, memoryTransport } from "./memory-transport.ts";
import { nodeId, type ResponseOf, type UnaryMethod } from "./protocol.ts";
import { describeTransport } from "./transport.contract.ts";
import type { FleetCalls, Transport } from "./transport.ts";

describeTransport("memory", async (server, clock) => memoryTransport(server, { clock }));

const NODE = nodeId("n");

/** A server that counts calls and streams ten bytes from the wanted offset. */
function countingServer(): FleetCalls & { readonly calls: string[] } {
	const calls: string[] = [];
	return {
		calls,
		unary: async <M extends UnaryMethod>(method: M) => {
			calls.push(method);
			return { task: null } as ResponseOf<M>; // the tests only pull tasks
		},
		stream: async function* (_method, { offset }) {
			yield new Uint8Array(10 - offset).map((_, index) => offset + index);
		},
	};
}

function connect(server: FleetCalls, faults: readonly (Fault | null)[]): Transport {
	return memoryTransport(server, { clock: manualClock(), faults: ({ index }) => faults[index] ?? null });
}

const pull = (transport: Transport): Promise<unknown> =>
	transport.unary("pullTask", { nodeId: NODE, waitMs: 0 });

describe("memoryTransport faults", () => {
	test("drops requests before and responses after they take effect", async () => {
		const server = countingServer();
		await using transport = connect(server, [{ kind: "drop-request" }, { kind: "drop-response" }]);
		await expect(pull(transport)).rejects.toMatchObject({ code: "unavailable" });
		expect(server.calls).toHaveLength(0);
		await expect(pull(transport)).rejects.toMatchObject({ code: "unavailable" });
		expect(server.calls).toHaveLength(1);
		expect(await pull(transport)).toEqual({ task: null });
	});

	test("duplicates a call and answers once", async () => {
		const server = countingServer();
		await using transport = connect(server, [{ kind: "duplicate" }]);
		expect(await pull(transport)).toEqual({ task: null });
		expect(server.calls).toHaveLength(2);
	});

	test("delays a call so that a later one overtakes it", async () => {
		const server = countingServer();
		let release = (): void => undefined;
		const until = new Promise<void>((resolve) => {
			release = resolve;
		});
		await using transport = connect(server, [{ kind: "delay", until }]);
		const order: string[] = [];
		const slow = pull(transport).then(() => order.push("slow"));
		await pull(transport).then(() => order.push("fast"));
		release();
		await slow;
		expect(order).toEqual(["fast", "slow"]);
	});

	test("cuts a stream, which goes on from the offset reached", async () => {
		await using transport = connect(countingServer(), [{ kind: "cut", afterBytes: 4 }]);
		const received: number[] = [];
		const read = async (): Promise<void> => {
			const request = { nodeId: NODE, sha256: "0".repeat(64), offset: received.length };
			for await (const chunk of transport.stream("pullObject", request)) received.push(...chunk);
		};
		await expect(read()).rejects.toMatchObject({ code: "unavailable" });
		expect(received).toEqual([0, 1, 2, 3]);
		await read();
		expect(received).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
		expect(transport.traffic().bytesDown).toBe(10);
	});

	test("counts exactly the payload", async () => {
		await using transport = connect(countingServer(), []);
		await pull(transport);
		const request = JSON.stringify({ nodeId: NODE, waitMs: 0 });
		const response = JSON.stringify({ task: null });
		expect(transport.traffic()).toEqual({ bytesUp: request.length, bytesDown: response.length });
	});
});
