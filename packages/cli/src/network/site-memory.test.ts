// Whether a run fits what a site gives of its memory.
import { fileURLToPath } from "node:url";
import { planMemory } from "@zk0/finetune";
import { openCheckpoint } from "@zk0/policy";
import { afterAll, beforeAll, expect, test } from "vitest";
import { limitMemory } from "./site-memory.ts";

const CAMERAS = ["observation.images.top", "observation.images.wrist"];
const TASK = { batchSize: 8, isProximal: false };

let base: Awaited<ReturnType<typeof openCheckpoint>>;
beforeAll(async () => {
	base = await openCheckpoint(fileURLToPath(new URL("../../../policy/assets/small-base", import.meta.url)));
});
afterAll(() => base[Symbol.dispose]());

function limited(limitBytes: number, used = 0) {
	const notes: string[] = [];
	const about = { model: base.model, cameras: CAMERAS, site: "kitchen", usedBytes: () => used };
	return { notes, memory: limitMemory({ ...about, limitBytes, onNote: (text) => notes.push(text) }) };
}

test("a run that fits is not divided, and said once; with less room there are fewer samples at a time", () => {
	const { notes, memory } = limited(4e9);
	memory.admit(TASK);
	memory.admit(TASK);
	expect(memory.microBatching.sizeFor(8)).toBe(8);
	expect(notes).toEqual([
		expect.stringMatching(/^memory: about .* of 4\.0 GB available .*8 samples at a time/),
	]);
	const whole = planMemory({
		...TASK,
		model: base.model,
		cameras: CAMERAS,
		microBatch: 8,
		numEngines: 1,
		availableBytes: null,
	});
	const { memory: tight } = limited(whole.totalBytes - 1);
	tight.admit(TASK);
	expect(tight.microBatching.sizeFor(8)).toBeLessThan(8);
});

test("a run that cannot fit is refused with the need and the limit", () => {
	expect(() => limited(1e8).memory.admit(TASK)).toThrow(
		expect.objectContaining({
			code: "memory-pressure",
			site: "kitchen",
			message: expect.stringMatching(/gives 0\.1 GB \(zk0 client start --max-memory\).*needs about/),
		}),
	);
});

test("a process that nears its limit divides its batches further", () => {
	const { memory, notes } = limited(4e9, 3.9e9);
	expect(memory.microBatching.isMemoryShort(8)).toBe(true);
	expect(memory.microBatching.shrink(8, { site: "kitchen", why: "memory ran short" })).toBe(4);
	expect(notes).toEqual(["memory ran short: 4 samples at a time instead of 8"]);
	expect(limited(4e9, 1e9).memory.microBatching.isMemoryShort(8)).toBe(false);
});
