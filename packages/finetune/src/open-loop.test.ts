import { float32Array } from "@zk0/arrays";
import type { Frame } from "@zk0/policy";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createFlowRows } from "./flow-rows.ts";
import { type OpenLoopOptions, predictEpisode, type RecordedEpisode } from "./open-loop.ts";
import { planChunk } from "./plan-chunk.ts";
import type { PolicyEngine } from "./policy-engine.ts";
import { tinyEngine, tinyModel, tinyTokenizer } from "./testing/tiny-site.ts";

const CAMERAS = ["observation.images.top", "observation.images.wrist"];
const NUM_FRAMES = 7;
const model = tinyModel();
const statistics = { mean: [1, 2, 3], std: [10, 10, 10] };
const context = {
	...model,
	tokenizer: tinyTokenizer,
	stats: { "observation.state": statistics, action: statistics },
	cameras: CAMERAS,
};
let engine: PolicyEngine;
beforeAll(async () => {
	engine = await tinyEngine(model);
});
afterAll(() => engine[Symbol.asyncDispose]());

function observation(frame: number): Frame {
	const rgb = new Uint8Array(16 * 16 * 3).fill(30 * frame);
	const image = { height: 16, width: 16, rgb };
	return {
		images: new Map(CAMERAS.map((camera) => [camera, image])),
		state: Float32Array.of(frame, 2 * frame, -frame),
		task: "Go left",
	};
}

const episode: RecordedEpisode = {
	numFrames: NUM_FRAMES,
	actionDim: 3,
	observationAt: async (frame) => observation(frame),
	actionAt: (frame) => Float32Array.of(frame, 10 * frame, 0),
};

const predict = (options: Partial<OpenLoopOptions> = {}) =>
	predictEpisode(engine, { episode, context, cameras: CAMERAS, seedPath: [1, "test"], ...options });

/** Rows `from` to `to` of three numbers. */
function rows(values: Float32Array, from: number, to: number): number[] {
	return [...values.subarray(3 * from, 3 * to)];
}

describe("predictEpisode", () => {
	test("plans every n_action_steps frames from what was recorded, the last chunk cut short", async () => {
		let nowMs = 0;
		const done: number[] = [];
		const clock = (): number => {
			nowMs += 250;
			return nowMs;
		};
		const found = await predict({ clock, onChunk: (frames) => done.push(frames) });
		expect(found.chunks).toEqual([
			{ frame: 0, seconds: 0.25 },
			{ frame: 4, seconds: 0.25 },
		]);
		expect(done).toEqual([4, NUM_FRAMES]);
		expect(rows(found.recorded, 5, 7)).toEqual([5, 50, 0, 6, 60, 0]);
		const again = await predict();
		expect([...again.predicted]).toEqual([...found.predicted]);
		const other = await predict({ seedPath: [2, "test"] });
		expect([...other.predicted]).not.toEqual([...found.predicted]);
	});

	test("planning every frame starts with the same chunks", async () => {
		const sparse = await predict();
		const dense = await predict({ every: 1 });
		expect(dense.chunks).toHaveLength(NUM_FRAMES);
		for (const frame of [0, 4]) {
			expect(rows(dense.predicted, frame, frame + 1)).toEqual(rows(sparse.predicted, frame, frame + 1));
		}
	});

	test("real-time chunking keeps the late actions of the chunk before and pulls the next one to it", async () => {
		const every = 2;
		const rtc = { delay: 1, executionHorizon: 2, schedule: "ONES", maxGuidanceWeight: 10 } as const;
		const plain = await predict({ every });
		const guided = await predict({ every, rtc });
		expect(rows(guided.predicted, 0, 2)).toEqual(rows(plain.predicted, 0, 2));
		const flow = createFlowRows(context);
		const whole = await predict({ every: 4 });
		expect(rows(guided.predicted, 2, 3)).toEqual(rows(whole.predicted, 2, 3)); // late: from the chunk before
		const gap = (values: Float32Array): number =>
			rows(values, 3, 4).reduce(
				(sum, value, joint) => sum + Math.abs(value - (whole.predicted[9 + joint] ?? 0)),
				0,
			);
		expect(gap(guided.predicted)).toBeLessThan(0.5 * gap(plain.predicted));
		expect(flow.dims.chunkSize).toBe(4);
	});

	test("refuses recordings of another robot and settings that cannot be", async () => {
		await expect(predict({ episode: { ...episode, actionDim: 6 } })).rejects.toMatchObject({
			code: "dims-mismatch",
		});
		const rtc = { delay: 2, executionHorizon: 2, schedule: "ONES", maxGuidanceWeight: 10 } as const;
		for (const wrong of [{ every: 0 }, { every: 5 }, { every: 2, rtc }, { every: 4, rtc }]) {
			await expect(predict(wrong)).rejects.toThrow(RangeError);
		}
		await expect(predict({ signal: AbortSignal.abort(new Error("stop")) })).rejects.toThrow("stop");
	});
});

describe("planChunk", () => {
	test("gives a chunk in raw units and in model units", async () => {
		const flow = createFlowRows(context);
		const planner = { engine, context, cameras: CAMERAS, flow };
		const chunk = await planChunk(planner, observation(0), { noise: new Float32Array(flow.noiseLength) });
		expect(float32Array([4, 3], chunk.actions).data).toHaveLength(12);
		expect(chunk.actions[1]).toBeCloseTo(2 + 10 * (chunk.normalized[1] ?? 0), 4);
	});
});
