import { execFileSync } from "node:child_process";
import {
	cpSync,
	existsSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32Array, float32ToBfloat16, type NamedArrays, type NdArray, ndArray } from "@zk0/arrays";
import { sha256Hex, writeSafetensorsFile } from "@zk0/arrays/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { smallPreset } from "../config/small-preset.ts";
import type { Stats } from "../inputs/normalizer.ts";
import { codeOf } from "../testing/error-code.ts";
import { initWeights } from "../weights/init-weights.ts";
import { memoryTensors, overlayTensors } from "../weights/tensor-source.ts";
import { bindCheckpoint } from "./bind.ts";
import { assertDeployable, openCheckpoint } from "./open.ts";
import { type CheckpointContent, writeCheckpoint } from "./write.ts";

const root = mkdtempSync(join(tmpdir(), "zk0-checkpoint-"));
const tokenizerDir = new URL("../../assets/small/tokenizer", import.meta.url).pathname;
const preset = smallPreset();
const weights: NamedArrays = initWeights(preset.config, preset.vlm, 5);
const global: CheckpointContent = { ...preset, tensors: memoryTensors(weights), tokenizerDir };
const ones = [1, 1, 1, 1, 1, 1];
const stats: Stats = {
	"observation.state": { mean: [1, 2, 3, 4, 5, 6], std: ones },
	action: { mean: ones, std: [2, 2, 2, 2, 2, 2] },
	"observation.images.top": { mean: [0.5, 0.5, 0.5] },
};
const globalDir = join(root, "global");

beforeAll(() => writeCheckpoint(globalDir, global));
afterAll(() => rmSync(root, { recursive: true }));

function readJson(...path: string[]): unknown {
	return JSON.parse(readFileSync(join(...path), "utf8"));
}

/** Hash of every file by its path. */
function fingerprint(directory: string): Record<string, string> {
	const files = readdirSync(directory, { recursive: true, encoding: "utf8" }).sort();
	const regular = files.filter((name) => statSync(join(directory, name)).isFile());
	return Object.fromEntries(regular.map((name) => [name, sha256Hex(readFileSync(join(directory, name)))]));
}

function copyOf(source: string, name: string): string {
	const copy = join(root, name);
	cpSync(source, copy, { recursive: true });
	return copy;
}

describe("a global checkpoint", () => {
	test("has LeRobot's files, no statistics, and says that it is not deployable", () => {
		expect(Object.keys(fingerprint(globalDir))).toEqual([
			"config.json",
			"model.safetensors",
			"policy_postprocessor.json",
			"policy_preprocessor.json",
			"tokenizer/special_tokens_map.json",
			"tokenizer/tokenizer.json",
			"tokenizer/tokenizer_config.json",
			"vlm/config.json",
			"vlm/preprocessor_config.json",
			"vlm/processor_config.json",
			"vlm/special_tokens_map.json",
			"vlm/tokenizer.json",
			"vlm/tokenizer_config.json",
			"vlm/video_preprocessor_config.json",
			"zk0.json",
		]);
		expect(readFileSync(join(globalDir, "policy_preprocessor.json"), "utf8")).not.toContain("state_file");
		expect(readJson(globalDir, "zk0.json")).toMatchObject({ kind: "global" });
	});

	test("opens with the same configuration and weights and refuses deployment", async () => {
		using checkpoint = await openCheckpoint(globalDir);
		expect(checkpoint.config).toEqual(preset.config);
		expect(checkpoint.vlm).toEqual(preset.vlm);
		expect(checkpoint.isBound).toBe(false);
		for (const [name, array] of weights) {
			expect(sha256Hex(bytes(checkpoint.model.tensors.read(name)))).toBe(sha256Hex(bytes(array)));
		}
		expect(() => assertDeployable(checkpoint)).toThrow(/not-bound.*zk0 model bind/);
	});

	test("stays not deployable when someone adds statistics but not the binding", async () => {
		const bound = join(root, "bound-for-mark");
		await bindCheckpoint(globalDir, bound, { stats });
		writeFileSync(join(bound, "zk0.json"), readFileSync(join(globalDir, "zk0.json")));
		using checkpoint = await openCheckpoint(bound);
		expect(checkpoint.isBound).toBe(false);
	});
});

function bytes({ data }: NdArray): Uint8Array {
	return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

describe("bindCheckpoint", () => {
	const renameMap = { "observation.images.laptop": "observation.images.top" };

	test("adds statistics and camera map, keeps the weights bit for bit", async () => {
		const bound = join(root, "bound");
		await bindCheckpoint(globalDir, bound, { stats, renameMap });
		using checkpoint = await openCheckpoint(bound);
		assertDeployable(checkpoint);
		expect(checkpoint.kind).toBe("bound");
		expect(checkpoint.renameMap).toEqual(renameMap);
		expect(checkpoint.stats["observation.state"]?.["mean"]).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
		expect(fingerprint(bound)["model.safetensors"]).toBe(fingerprint(globalDir)["model.safetensors"]);
	});

	test("shares the weights' file when it is asked to and the bytes would be the same, else copies it", async () => {
		const fileOf = (dir: string): string => join(dir, "model.safetensors");
		const shared = join(root, "bound-shared");
		await bindCheckpoint(globalDir, shared, { stats, sharesWeights: true });
		expect(statSync(fileOf(shared)).ino).toBe(statSync(fileOf(globalDir)).ino);
		const foreign = join(root, "global-foreign");
		cpSync(globalDir, foreign, { recursive: true });
		await writeSafetensorsFile(fileOf(foreign), weights, { metadata: { format: "np" } });
		const copied = join(root, "bound-copied");
		await bindCheckpoint(foreign, copied, { stats, sharesWeights: true });
		expect(statSync(fileOf(copied)).ino).not.toBe(statSync(fileOf(foreign)).ino);
		expect(fingerprint(copied)["model.safetensors"]).toBe(fingerprint(globalDir)["model.safetensors"]);
	});

	test("writes the pipelines in LeRobot's step order with their state files", async () => {
		const bound = join(root, "bound-steps");
		await bindCheckpoint(globalDir, bound, { stats, renameMap });
		expect(readJson(bound, "policy_preprocessor.json")).toMatchObject({
			name: "policy_preprocessor",
			steps: [
				{ registry_name: "rename_observations_processor", config: { rename_map: renameMap } },
				{ registry_name: "to_batch_processor" },
				{ registry_name: "smolvla_new_line_processor" },
				{ registry_name: "tokenizer_processor", artifacts: { tokenizer_name: "tokenizer" } },
				{ registry_name: "device_processor" },
				{
					registry_name: "normalizer_processor",
					state_file: "policy_preprocessor_step_5_normalizer_processor.safetensors",
				},
			],
		});
		expect(readJson(bound, "policy_postprocessor.json")).toMatchObject({
			steps: [
				{ state_file: "policy_postprocessor_step_0_unnormalizer_processor.safetensors" },
				{ registry_name: "device_processor", config: { device: "cpu" } },
			],
		});
	});

	test("takes a site's own vector lengths", async () => {
		const seven = [...ones, 1];
		const site = { "observation.state": { mean: seven, std: seven }, action: { mean: ones, std: ones } };
		await bindCheckpoint(globalDir, join(root, "seven"), { stats: site, stateLength: 7 });
		using checkpoint = await openCheckpoint(join(root, "seven"));
		expect(checkpoint.config.input_features["observation.state"]?.shape).toEqual([7]);
	});

	test.each([
		[
			"no statistics of the action",
			{ stats: { "observation.state": { mean: ones, std: ones } } },
			"missing-stats",
		],
		[
			"NaN",
			{ stats: { ...stats, action: { mean: [...ones.slice(1), Number.NaN], std: ones } } },
			"bad-stats",
		],
		["a wrong length", { stats, actionLength: 5 }, "bad-stats"],
		["too long a vector", { stats, actionLength: 9 }, "bad-config"],
		[
			"an unknown camera",
			{ stats, renameMap: { "observation.images.a": "observation.images.b" } },
			"bad-config",
		],
		[
			"two cameras for one",
			{ stats, renameMap: { a: "observation.images.top", b: "observation.images.top" } },
			"bad-config",
		],
	])("refuses %s and writes nothing", async (_, binding, code) => {
		const out = join(root, "refused");
		expect(await codeOf(() => bindCheckpoint(globalDir, out, binding))).toBe(code);
		expect(existsSync(out)).toBe(false);
	});
});

describe("openCheckpoint refuses", () => {
	test.each([
		["no directory", () => rmSync(join(root, "broken"), { recursive: true }), "bad-checkpoint"],
		[
			"configuration that is not JSON",
			() => writeFileSync(join(root, "broken/config.json"), "{"),
			"bad-checkpoint",
		],
		[
			"unknown configuration keys",
			() => writeFileSync(join(root, "broken/config.json"), '{"type":"smolvla","chunk_sise":3}'),
			"unknown-key",
		],
		["truncated weights", () => truncateSync(join(root, "broken/model.safetensors"), 4000), "bad-checkpoint"],
		["no tokenizer", () => rmSync(join(root, "broken/tokenizer"), { recursive: true }), "no error"],
		["no backbone", () => rmSync(join(root, "broken/vlm"), { recursive: true }), "bad-checkpoint"],
		[
			"a marker that is not ours",
			() => writeFileSync(join(root, "broken/zk0.json"), '{"kind":"x"}'),
			"bad-checkpoint",
		],
		[
			"a state file outside the directory",
			() => {
				const path = join(root, "broken/policy_preprocessor.json");
				const text = readFileSync(path, "utf8").replace(
					'"registry_name": "normalizer_processor"',
					'"state_file": "../x.safetensors", "registry_name": "normalizer_processor"',
				);
				writeFileSync(path, text);
			},
			"bad-checkpoint",
		],
	])("%s", async (_, damage, code) => {
		rmSync(join(root, "broken"), { recursive: true, force: true });
		const broken = copyOf(globalDir, "broken");
		damage();
		const opened = codeOf(async () => (await openCheckpoint(broken))[Symbol.dispose]());
		expect(await opened).toBe(code);
	});

	test("a missing or misshapen tensor", async () => {
		const broken = copyOf(globalDir, "broken-tensors");
		const name = "model.state_proj.weight";
		const without = new Map([...weights].filter(([key]) => key !== name));
		await writeSafetensorsFile(join(broken, "model.safetensors"), without);
		expect(await codeOf(() => openCheckpoint(broken))).toBe("missing-tensor");
		const misshapen = new Map<string, NdArray>([
			...weights,
			[name, float32Array([8, 96], new Float32Array(768))],
		]);
		await writeSafetensorsFile(join(broken, "model.safetensors"), misshapen);
		expect(await codeOf(() => openCheckpoint(broken))).toBe("wrong-shape");
	});
});

describe("a LeRobot checkpoint", () => {
	test("without our marker is bound when its statistics cover state and action", async () => {
		const theirs = join(root, "theirs");
		await bindCheckpoint(globalDir, theirs, { stats });
		rmSync(join(theirs, "zk0.json"));
		using checkpoint = await openCheckpoint(theirs);
		expect(checkpoint.kind).toBeNull();
		expect(checkpoint.isBound).toBe(true);
	});

	test("with prefixed statistics, as smolvla_base has, is not bound", async () => {
		const theirs = join(root, "prefixed");
		await bindCheckpoint(globalDir, theirs, { stats });
		for (const file of readdirSync(theirs).filter((name) => name.endsWith("processor.safetensors"))) {
			const prefixed = new Map([["so100.buffer.action.mean", float32Array([6], ones)]]);
			await writeSafetensorsFile(join(theirs, file), prefixed);
		}
		using checkpoint = await openCheckpoint(theirs);
		expect(checkpoint.isBound).toBe(false);
		expect(() => assertDeployable(checkpoint)).toThrow(/no statistics of observation\.state/);
	});

	test("with bfloat16 weights and without the unused language head keeps them when copied", async () => {
		const name = "model.vlm_with_expert.lm_expert.norm.weight";
		const half = ndArray("bfloat16", [72], float32ToBfloat16(new Float32Array(72).fill(1.5)));
		const kept = new Map<string, NdArray>([...weights].filter(([key]) => !key.endsWith("lm_head.weight")));
		await writeCheckpoint(join(root, "half"), { ...global, tensors: memoryTensors(kept.set(name, half)) });
		using checkpoint = await openCheckpoint(join(root, "half"));
		expect(checkpoint.file.entries.get(name)?.dtype).toBe("bfloat16");
		expect(checkpoint.model.tensors.readFloat32(name).data.every((value) => value === 1.5)).toBe(true);
		expect(checkpoint.model.tensors.regionOf(name)).toBeUndefined();
	});
});

describe("writeCheckpoint", () => {
	test("replaces an older checkpoint as a whole", async () => {
		const directory = copyOf(globalDir, "replaced");
		writeFileSync(join(directory, "leftover.txt"), "old");
		const name = "model.state_proj.bias";
		const changed = new Map([[name, float32Array([96], new Float32Array(96).fill(7))]]);
		await writeCheckpoint(directory, { ...global, tensors: overlayTensors(global.tensors, changed) });
		expect(existsSync(join(directory, "leftover.txt"))).toBe(false);
		using checkpoint = await openCheckpoint(directory);
		expect(checkpoint.model.tensors.readFloat32(name).data[0]).toBe(7);
	});

	test("leaves the old one whole, and nothing beside it, when the tokenizer is missing", async () => {
		const directory = copyOf(globalDir, "kept");
		const before = fingerprint(directory);
		const beside = readdirSync(root).sort();
		const absent = { ...global, tokenizerDir: join(root, "absent") };
		expect(await codeOf(() => writeCheckpoint(directory, absent))).toBe("bad-tokenizer");
		expect(fingerprint(directory)).toEqual(before);
		expect(readdirSync(root).sort()).toEqual(beside);
	});

	test("leaves the old one whole, and nothing beside it, when it is interrupted between two tensors", async () => {
		const directory = copyOf(globalDir, "interrupted");
		const before = fingerprint(directory);
		const beside = readdirSync(root).sort();
		const stop = new AbortController();
		const reason = new DOMException("enough", "AbortError");
		const read = (name: string): NdArray => {
			stop.abort(reason);
			return global.tensors.read(name);
		};
		const content = { ...global, tensors: { ...global.tensors, read } };
		await expect(writeCheckpoint(directory, content, { signal: stop.signal })).rejects.toBe(reason);
		expect(fingerprint(directory)).toEqual(before);
		expect(readdirSync(root).sort()).toEqual(beside);
	});

	test("leaves the old one whole when the disk takes no more", () => {
		const directory = copyOf(globalDir, "full-disk");
		const before = fingerprint(directory);
		const beside = readdirSync(root).sort();
		const script = `
			import { bindCheckpoint } from "@zk0/policy";
			const six = [1, 1, 1, 1, 1, 1];
			const stats = { "observation.state": { mean: six, std: six }, action: { mean: six, std: six } };
			await bindCheckpoint(${JSON.stringify(globalDir)}, ${JSON.stringify(directory)}, { stats }).then(
				() => console.log("written"),
				(error) => console.log(error.code),
			);`;
		// A file size limit of 1 MiB stands for a full disk: the write fails in the middle of model.safetensors.
		const limited = `trap '' XFSZ; ulimit -f 1024; exec "$0" --import tsx --conditions=source --input-type=module -e "$1"`;
		const packageRoot = new URL("../..", import.meta.url).pathname;
		const output = execFileSync("bash", ["-c", limited, process.execPath, script], {
			cwd: packageRoot,
			encoding: "utf8",
		});
		expect(output.trim()).toBe("write-failed");
		expect(fingerprint(directory)).toEqual(before);
		expect(readdirSync(root).sort()).toEqual(beside);
	});
});
