import { rng } from "@zk0/arrays";
import { describe, expect, test } from "vitest";
import { systemClock } from "./clock.ts";
import { FlowerError } from "./errors.ts";
import { Fleet } from "./gen/flwr/proto/fleet_pb.ts";
import { memoryTransport } from "./memory-transport.ts";
import { type RetryPolicy, retrying } from "./retry.ts";
import { createRoutes } from "./service.ts";
import { partialFleet } from "./transport.contract.ts";

/** A policy whose clock only sleeps in the list of waits. */
function policy(waitsMs: number[]): RetryPolicy {
	let time = 0;
	const sleep = async (durationMs: number): Promise<void> => {
		waitsMs.push(durationMs);
		time += durationMs;
	};
	return {
		clock: { now: () => time, sleep },
		rng: rng("retry.test"),
		firstDelayMs: 100,
		maxDelayMs: 800,
		maxWaitMs: 10_000,
	};
}

/** A server that gives these errors, then answers. */
function failing(...codes: FlowerError[]) {
	const routes = createRoutes(
		Fleet,
		partialFleet<undefined>({
			sendNodeHeartbeat: async () => {
				const failure = codes.shift();
				if (failure !== undefined) throw failure;
				return { success: true };
			},
		}),
		{ admit: () => undefined, onFault: () => undefined },
	);
	return memoryTransport(routes);
}

const gone = (): FlowerError => new FlowerError("unavailable", "gone");
const beat = Fleet.method.sendNodeHeartbeat;

describe("retrying", () => {
	test("waits longer and longer for a server that is away", async () => {
		const waitsMs: number[] = [];
		await using transport = retrying(
			failing(gone(), gone(), gone(), gone(), gone(), gone()),
			policy(waitsMs),
		);
		expect((await transport.unary(beat, {})).success).toBe(true);
		const fullMs = [100, 200, 400, 800, 800, 800];
		expect(waitsMs.length).toBe(fullMs.length);
		expect(
			waitsMs.every((wait, index) => wait >= (fullMs[index] ?? 0) / 2 && wait <= (fullMs[index] ?? 0)),
		).toBe(true);
	});

	test("other errors end at once, and so does the wait", async () => {
		const waitsMs: number[] = [];
		await using refused = retrying(
			failing(new FlowerError("permission-denied", "Run is finished.")),
			policy(waitsMs),
		);
		await expect(refused.unary(beat, {})).rejects.toMatchObject({ code: "permission-denied" });
		expect(waitsMs).toEqual([]);
		await using away = retrying(failing(...Array.from({ length: 100 }, gone)), policy(waitsMs));
		await expect(away.unary(beat, {})).rejects.toMatchObject({ code: "deadline-exceeded" });
		expect(waitsMs.reduce((sum, wait) => sum + wait, 0)).toBeLessThanOrEqual(10_000);
	});

	test("a wait can be cancelled", async () => {
		const controller = new AbortController();
		const slow: RetryPolicy = { ...policy([]), clock: systemClock(), firstDelayMs: 60_000, maxWaitMs: 1e9 };
		await using transport = retrying(failing(gone()), slow);
		const call = transport.unary(beat, {}, { signal: controller.signal });
		setImmediate(() => controller.abort());
		await expect(call).rejects.toMatchObject({ code: "cancelled" });
		await expect(systemClock().sleep(60_000, { signal: controller.signal })).rejects.toBeInstanceOf(
			FlowerError,
		);
		const before = systemClock().now();
		await systemClock().sleep(1);
		expect(systemClock().now()).toBeGreaterThanOrEqual(before);
	});
});
