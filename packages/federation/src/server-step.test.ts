import { join } from "node:path";
import { float32Array } from "@zk0/arrays";
import { openSafetensors, writeSafetensorsFile } from "@zk0/arrays/node";
import { describe, expect, test } from "vitest";
import { applyServerStep } from "./server-step.ts";
import type { ServerStep } from "./strategy.ts";
import { temporaryDir } from "./testing/toy-app.ts";

/** new = current + 0.5 * v, v = 0.9 v + (mean - current): momentum on the server. */
const momentum: ServerStep = {
	slots: ["v"],
	apply(mean, current, [v = new Float32Array(0)]) {
		for (let i = 0; i < mean.length; i++) {
			v[i] = 0.9 * (v[i] ?? 0) + (mean[i] ?? 0) - (current[i] ?? 0);
			mean[i] = (current[i] ?? 0) + 0.5 * (v[i] ?? 0);
		}
	},
};

const SIZE = 200_003;

async function weights(path: string, value: number): Promise<string> {
	const big = new Float32Array(SIZE).map((_, index) => value + (index % 7));
	await writeSafetensorsFile(
		path,
		new Map([
			["big", float32Array([SIZE], big)],
			["a", float32Array([2], [value, -value])],
		]),
	);
	return path;
}

function read(path: string, name: string): Float32Array {
	using file = openSafetensors(path);
	return file.readFloat32(name).data;
}

describe("applyServerStep", () => {
	test("streams the step over every tensor and carries the slots to the next round", async () => {
		await using dir = await temporaryDir();
		const at = (name: string): string => join(dir.path, name);
		const current = await weights(at("current"), 1);
		const first = await weights(at("mean1"), 2);
		await applyServerStep({ step: momentum, mean: first, current, slots: null, slotsOut: at("slots1") });
		expect([...read(first, "a")]).toEqual([1.5, -1.5]);
		expect([...read(at("slots1"), "v:a")]).toEqual([1, -1]);
		expect(read(first, "big").every((value, index) => value === 1.5 + (index % 7))).toBe(true);
		const second = await weights(at("mean2"), 2);
		const options = {
			step: momentum,
			mean: second,
			current: first,
			slots: at("slots1"),
			slotsOut: at("slots2"),
		};
		await applyServerStep(options);
		expect(read(at("slots2"), "v:a")[0]).toBeCloseTo(0.9 + 0.5, 6);
		expect(read(second, "a")[0]).toBeCloseTo(1.5 + 0.5 * 1.4, 6);
		expect(read(at("slots2"), "v:big")).toHaveLength(SIZE);
	});

	test("refuses a step that makes values that are not finite, and other tensors", async () => {
		await using dir = await temporaryDir();
		const at = (name: string): string => join(dir.path, name);
		const current = await weights(at("current"), 1);
		const mean = await weights(at("mean"), 1);
		const blowUp: ServerStep = { slots: [], apply: (values) => values.fill(Number.POSITIVE_INFINITY) };
		const options = { mean, slots: null, slotsOut: at("slots") };
		await expect(applyServerStep({ ...options, step: blowUp, current })).rejects.toMatchObject({
			code: "not-finite",
		});
		await writeSafetensorsFile(at("other"), new Map([["x", float32Array([1], [1])]]));
		await expect(applyServerStep({ ...options, step: momentum, current: at("other") })).rejects.toMatchObject(
			{ code: "missing-tensor" },
		);
		await expect(
			applyServerStep({ ...options, step: momentum, current, signal: AbortSignal.abort() }),
		).rejects.toMatchObject({ code: "cancelled" });
	});
});
