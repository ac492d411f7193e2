// The trainer contract on WebGPU, where parameters and moments stay on the device between steps. Needs a Vulkan driver;
// Debian's chromium brings one in software (SwiftShader), too slow for anything but such tests.
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { describe, expect, test } from "vitest";
import { chooseDevice, createOrtRuntime } from "./node.ts";
import { describeTrainer } from "./trainer.contract.ts";

const SOFTWARE_DRIVER = "/usr/lib/chromium/vk_swiftshader_icd.json";

if (existsSync(SOFTWARE_DRIVER)) {
	// Read by the Vulkan loader when the first session starts in this process or in a child.
	process.env["VK_DRIVER_FILES"] = SOFTWARE_DRIVER;
	process.env["XDG_RUNTIME_DIR"] ??= tmpdir();
	describeTrainer("onnxruntime-node on WebGPU", (options) =>
		createOrtRuntime({ ...options, device: "webgpu" }),
	);
}

describe("WebGPU in software", () => {
	test("passes its trial and is too slow for auto", async (context) => {
		if (!existsSync(SOFTWARE_DRIVER)) {
			const message = `${SOFTWARE_DRIVER} is missing; install Debian's chromium`;
			if (process.env["ZK0_REQUIRE_ALL"] === "1") throw new RangeError(`${message} (ZK0_REQUIRE_ALL=1)`);
			process.stderr.write(`skipped the trainer contract on WebGPU: ${message}\n`);
			context.skip(message);
		}
		const { device, trials } = await chooseDevice("auto");
		expect(device).toBe("cpu");
		expect(trials.map((trial) => trial.device)).toEqual(["cpu", "webgpu", "cuda"]);
		expect(trials[1]).toEqual({ device: "webgpu", works: true, gflops: expect.any(Number) });
	});
});
