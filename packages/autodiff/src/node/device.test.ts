// Trials of devices, and which one "auto" takes.
import { describe, expect, test } from "vitest";
import { chooseDevice, fastest, tryDevice } from "./device.ts";

describe("tryDevice", () => {
	test("measures the processor", async () => {
		expect(await tryDevice("cpu")).toEqual({ device: "cpu", works: true, gflops: expect.any(Number) });
	});

	test("says why CUDA does not work where its library is missing, and choosing it names the cure", async () => {
		const trial = await tryDevice("cuda");
		// A machine with CUDA set up is no reason to fail.
		if (trial.works) return;
		expect(trial.reason).not.toBe("");
		await expect(chooseDevice("cuda")).rejects.toMatchObject({
			code: "no-device",
			message: expect.stringMatching(/ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node/),
		});
	});

	test("stops when aborted", async () => {
		const reason = new RangeError("changed my mind");
		await expect(tryDevice("cpu", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
	});
});

describe("auto", () => {
	const works = (device: "cpu" | "webgpu" | "cuda", gflops: number) =>
		({ device, works: true, gflops }) as const;

	test("takes the fastest GPU that beats the processor twofold", () => {
		expect(fastest([works("cpu", 100), works("webgpu", 200), works("cuda", 900)])).toBe("cuda");
		expect(fastest([works("cpu", 100), works("webgpu", 199)])).toBe("cpu");
		expect(fastest([works("cpu", 100), { device: "webgpu", works: false, reason: "no driver" }])).toBe("cpu");
	});

	test("needs no trial for the processor", async () => {
		expect(await chooseDevice("cpu")).toEqual({ device: "cpu", trials: [] });
	});
});
