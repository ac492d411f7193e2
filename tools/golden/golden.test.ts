// Every directory golden/smolvla-* is checked: add a directory, get a test.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeSafetensors, encodeSafetensors, toFloat32 } from "@zk0/arrays";
import { createOrtRuntime } from "@zk0/autodiff/node";
import type { CacheLevel } from "@zk0/finetune";
import { describe, expect, test } from "vitest";
import { checkDirectory } from "./check-directory.ts";
import { type Check, checkLine, maxAbsError, passes, relativeL2 } from "./errors.ts";

const root = new URL("../../golden/", import.meta.url).pathname;
const directories = readdirSync(root).filter((name) => name.startsWith("smolvla-"));

async function checksOf(directory: string, level: CacheLevel | null = null): Promise<Check[]> {
	await using runtime = await createOrtRuntime({ threads: 1 });
	const checks: Check[] = [];
	for await (const check of checkDirectory(directory, runtime, level)) checks.push(check);
	return checks;
}

function misses(checks: readonly Check[]): string[] {
	return checks.filter((check) => !passes(check)).map(checkLine);
}

test("there are golden directories", () => {
	expect(directories).toContain("smolvla-a");
});

describe.each(directories)("%s", (name) => {
	test("every value is within its limit", async () => {
		const checks = await checksOf(join(root, name));
		expect(misses(checks)).toEqual([]);
		const kinds = ["resized pixels", "loss", "gradient", "adamw_", "sample_actions"];
		for (const kind of kinds) expect(checks.some((check) => check.name.startsWith(kind))).toBe(true);
	});
});

test("smolvla-a is within its limits from what a prefix cache gives back", async () => {
	const checks = await checksOf(join(root, "smolvla-a"), "kv");
	expect(misses(checks)).toEqual([]);
	expect(checks.some(({ name }) => name.startsWith("gradient model.state_proj"))).toBe(true);
});

describe("a golden directory that is wrong", () => {
	/** Misses of smolvla-a after changes to a copy. */
	async function missesAfter(change: (copy: string) => void): Promise<string[]> {
		const copy = mkdtempSync(join(tmpdir(), "zk0-golden-"));
		try {
			cpSync(join(root, "smolvla-a"), copy, { recursive: true });
			change(copy);
			return misses(await checksOf(copy));
		} finally {
			rmSync(copy, { recursive: true });
		}
	}

	function changeTensor(file: string, tensor: string, change: (values: Float32Array) => void): void {
		const { arrays } = decodeSafetensors(Uint8Array.from(readFileSync(file)));
		const array = arrays.get(tensor);
		if (array === undefined) throw new RangeError(`${file} has no tensor ${tensor}`);
		const data = Float32Array.from(toFloat32(array));
		change(data);
		arrays.set(tensor, { dtype: "float32", shape: array.shape, data });
		writeFileSync(file, encodeSafetensors(arrays));
	}

	test("in one gradient, one sampled action and one AdamW loss misses exactly these", async () => {
		const found = await missesAfter((copy) => {
			changeTensor(join(copy, "grads.safetensors"), "grad.model.state_proj.weight", (values) => {
				values.forEach((value, index) => {
					values[index] = value * 1.001;
				});
			});
			changeTensor(join(copy, "golden.safetensors"), "out.sample_actions", (values) => {
				values[3] = (values[3] ?? 0) + 0.001;
			});
			const text = readFileSync(join(copy, "golden.json"), "utf8");
			writeFileSync(join(copy, "golden.json"), text.replace("2.256584405899048", "2.2570"));
		});
		expect(found.map((line) => line.replace(/ {2}(relative|max).*/, ""))).toEqual([
			"MISS  gradient model.state_proj.weight",
			"MISS  adamw_const_lr step 1",
			"MISS  sample_actions",
		]);
	});

	test("in a frozen weight misses most checks", async () => {
		const name = "model.vlm_with_expert.vlm.model.text_model.layers.1.mlp.up_proj.weight";
		const found = await missesAfter((copy) => {
			changeTensor(join(copy, "model.safetensors"), name, (values) => values.fill(0));
		});
		expect(found.length).toBeGreaterThan(20);
	});
});

describe("error measures", () => {
	test("fail on NaN and on different lengths", () => {
		expect(maxAbsError([1, Number.NaN], [1, 1])).toBeNaN();
		expect(maxAbsError([1], [1, 1])).toBe(Number.POSITIVE_INFINITY);
		expect(relativeL2([1], [1, 1])).toBe(Number.POSITIVE_INFINITY);
		expect(passes({ name: "", measure: "", error: Number.NaN, limit: 1 })).toBe(false);
	});
});
