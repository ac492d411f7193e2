import { describe, expect, test } from "vitest";
import { describeMemory, type MemoryRequest, planMemory } from "./memory-plan.ts";
import { tinyModel } from "./testing/tiny-site.ts";

const GB = 1e9;

function request(change: Partial<MemoryRequest> = {}): MemoryRequest {
	return {
		model: tinyModel(),
		cameras: ["observation.images.top", "observation.images.wrist"],
		batchSize: 8,
		microBatch: "auto",
		isProximal: false,
		numEngines: 1,
		availableBytes: null,
		...change,
	};
}

describe("planMemory", () => {
	test("takes the whole batch where it fits, and the parts add up", () => {
		const plan = planMemory(request({ availableBytes: 4 * GB }));
		expect(plan.microBatch).toBe(8);
		const { frozenBytes, trainedBytes, activationBytes, otherBytes } = plan;
		expect(plan.totalBytes).toBe(frozenBytes + trainedBytes + activationBytes + otherBytes);
		expect(describeMemory(plan)).toMatch(
			/^about 0\.\d GB of 4\.0 GB available \(frozen .*8 samples at a time /,
		);
	});

	test("takes less at a time when there is less room, and holds one more copy of the gradients", () => {
		const whole = planMemory(request());
		const smaller = planMemory(request({ availableBytes: whole.totalBytes - 1 }));
		expect(smaller.microBatch).toBeLessThan(8);
		expect(smaller.totalBytes).toBeLessThan(whole.totalBytes);
		expect(smaller.trainedBytes).toBe((5 / 4) * whole.trainedBytes);
		expect(planMemory(request({ isProximal: true })).trainedBytes).toBe((5 / 4) * whole.trainedBytes);
		const two = planMemory(request({ numEngines: 2 }));
		expect(two.trainedBytes).toBe(2 * whole.trainedBytes);
		expect(two.frozenBytes).toBe(whole.frozenBytes);
	});

	test("refuses what does not fit, with the need, the room and the cure", () => {
		const refusal = (change: Partial<MemoryRequest>): unknown => {
			try {
				return planMemory(request(change));
			} catch (error) {
				return error;
			}
		};
		expect(refusal({ availableBytes: 1000 })).toMatchObject({
			code: "memory-pressure",
			message: expect.stringMatching(/needs about 0\.\d GB of 0\.00 GB available .*1 sample .*--lora-rank/),
		});
		const { totalBytes } = planMemory(request({ microBatch: 1 }));
		expect(refusal({ microBatch: 8, availableBytes: totalBytes })).toMatchObject({
			message: expect.stringContaining("--micro-batch 1 or auto fits"),
		});
	});
});
