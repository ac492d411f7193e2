// Adapter checkpoints on disk: beside their base, bound, moved, damaged, and as LeRobot writes them.
import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32Array, type NdArray } from "@zk0/arrays";
import { openSafetensors } from "@zk0/arrays/node";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { bindCheckpoint } from "../checkpoint/bind.ts";
import { inspectCheckpoint } from "../checkpoint/inspect.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import { type CheckpointContent, contentOf, writeCheckpoint } from "../checkpoint/write.ts";
import { smallPreset } from "../config/small-preset.ts";
import { type PolicyModel, trainedNames } from "../model/policy-model.ts";
import { codeOf } from "../testing/error-code.ts";
import { initWeights } from "../weights/init-weights.ts";
import { memoryTensors, overlayTensors } from "../weights/tensor-source.ts";
import { isAdapterTensor } from "./adapter.ts";
import { baseOf } from "./adapter-base.ts";
import { withFreshAdapter } from "./init-adapter.ts";
import { mergedTensors } from "./merge.ts";

const root = mkdtempSync(join(tmpdir(), "zk0-adapter-"));
const tokenizerDir = new URL("../../assets/small/tokenizer", import.meta.url).pathname;
const preset = smallPreset();
const full: PolicyModel = { ...preset, tensors: memoryTensors(initWeights(preset.config, preset.vlm, 5)) };
const fresh = withFreshAdapter(full, { rank: 4, seed: 1 });
const statistics = { mean: [1, 2, 3, 4, 5, 6], std: [1, 1, 1, 1, 1, 1] };
const stats = { "observation.state": statistics, action: statistics };
const baseDir = join(root, "base");
const adapterDir = join(root, "adapter");
let content: CheckpointContent;

beforeAll(async () => {
	await writeCheckpoint(baseDir, { ...preset, tensors: full.tensors, tokenizerDir });
	content = {
		...preset,
		tensors: fresh.tensors,
		tokenizerDir,
		adapter: { structure: fresh.adapter, base: await baseOf(baseDir) },
	};
});
beforeEach(() => writeCheckpoint(adapterDir, content));
afterAll(() => rmSync(root, { recursive: true }));

const open = async (options: Parameters<typeof openCheckpoint>[1] = {}): Promise<void> => {
	using checkpoint = await openCheckpoint(adapterDir, options);
	expect(checkpoint.model.adapter?.rank).toBe(4);
};

function readJson(...path: string[]): unknown {
	return JSON.parse(readFileSync(join(...path), "utf8"));
}

describe("an adapter's checkpoint", () => {
	test("has peft's two files instead of the weights, and names its base", () => {
		const names = readdirSync(adapterDir);
		expect(names).toEqual(
			expect.arrayContaining(["adapter_config.json", "adapter_model.safetensors", "config.json", "zk0.json"]),
		);
		expect(names).not.toContain("model.safetensors");
		expect(readJson(adapterDir, "config.json")).toMatchObject({ use_peft: true });
		expect(readJson(adapterDir, "adapter_config.json")).toMatchObject({
			base_model_name_or_path: baseDir,
			r: 4,
			lora_alpha: 8,
		});
		using file = openSafetensors(join(adapterDir, "adapter_model.safetensors"));
		expect([...file.entries.keys()]).toEqual(trainedNames(fresh).toSorted());
		expect(file.metadata).toEqual({ format: "pt" });
	});

	test("opens with its base, keeps what is trained, and can be copied and bound", async () => {
		const half = { ...fresh.adapter, trains: "B" as const };
		await writeCheckpoint(adapterDir, {
			...content,
			adapter: { structure: half, base: await baseOf(baseDir) },
		});
		const bound = join(root, "bound");
		await bindCheckpoint(adapterDir, bound, { stats });
		using checkpoint = await openCheckpoint(bound);
		expect(checkpoint.isBound).toBe(true);
		expect(checkpoint.model.adapter).toEqual(half);
		expect(checkpoint.base?.directory).toBe(baseDir);
		expect(contentOf(checkpoint).adapter?.structure).toEqual(half);
		const name = "base_model.model.model.state_proj.lora_A.weight";
		const read = (model: PolicyModel): string =>
			Buffer.from(model.tensors.readFloat32(name).data.buffer).toString("hex");
		expect(read(checkpoint.model)).toBe(read(fresh));
	});

	test("as LeRobot leaves it, without our notes and folders, opens from its base", async () => {
		for (const name of ["zk0.json", "tokenizer", "vlm"]) rmSync(join(adapterDir, name), { recursive: true });
		const path = join(adapterDir, "adapter_config.json");
		writeFileSync(path, readFileSync(path, "utf8").replace(baseDir, "../base"));
		expect(await codeOf(open)).toBe("no error");
	});

	test("is found again when both were moved, and opens on a base that is named", async () => {
		const moved = join(root, "moved");
		renameSync(baseDir, moved);
		try {
			expect(await codeOf(open)).toBe("missing-base");
			expect(await codeOf(() => open({ baseDir: join(root, "nowhere") }))).toBe("missing-base");
			await open({ baseDir: moved });
		} finally {
			renameSync(moved, baseDir);
		}
	});

	test("refuses another base", async () => {
		const other = join(root, "other");
		cpSync(baseDir, other, { recursive: true });
		const tensors = overlayTensors(
			full.tensors,
			new Map<string, NdArray>([["model.state_proj.bias", float32Array([96], new Float32Array(96))]]),
		);
		await writeCheckpoint(other, { ...preset, tensors, tokenizerDir });
		expect(await codeOf(() => open({ baseDir: other }))).toBe("wrong-base");
	});

	test("refuses damaged files, and a base that is an adapter itself", async () => {
		expect(await codeOf(() => baseOf(adapterDir))).toBe("missing-base");
		writeFileSync(join(adapterDir, "adapter_model.safetensors"), "x");
		expect(await codeOf(open)).toBe("bad-checkpoint");
		writeFileSync(join(adapterDir, "adapter_config.json"), "{}");
		expect(await codeOf(open)).toBe("bad-checkpoint");
	});

	test("is not written as a full model by mistake; merged it is one", async () => {
		const out = join(root, "full");
		expect(await codeOf(() => writeCheckpoint(out, { ...content, adapter: undefined }))).toBe("bad-config");
		await writeCheckpoint(out, { ...content, tensors: mergedTensors(fresh), adapter: undefined });
		using merged = await openCheckpoint(out);
		expect(merged.base).toBeNull();
		expect(merged.config.use_peft).toBe(false);
		expect(merged.model.tensors.names.some(isAdapterTensor)).toBe(false);
	});

	test("is inspected with its base: only the adapter is trained", async () => {
		const report = await inspectCheckpoint(adapterDir);
		expect(report.adapter).toMatchObject({ rank: 4, alpha: 8, base: { directory: baseDir } });
		const trained = report.parts.filter(({ trainedTensors }) => trainedTensors > 0);
		expect(trained.map(({ part, trainedTensors }) => [part, trainedTensors])).toEqual([["adapter", 26]]);
		expect([report.canTrain, report.missing]).toEqual([true, []]);
		writeFileSync(join(adapterDir, "adapter_model.safetensors"), "x");
		const damaged = await inspectCheckpoint(adapterDir);
		expect([damaged.adapter, damaged.canTrain]).toEqual([null, false]);
	});
});
