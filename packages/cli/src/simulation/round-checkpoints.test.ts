import { existsSync } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32Array } from "@zk0/arrays";
import { sha256File, writeSafetensorsFile } from "@zk0/arrays/node";
import { openDataset } from "@zk0/dataset";
import { createSite, type Site } from "@zk0/finetune";
import { type Checkpoint, openCheckpoint, trainableNames } from "@zk0/policy";
import { type RunPaths, runPaths } from "@zk0/records";
import { recordDataset } from "@zk0/sim";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { resolveConfig } from "../config/resolve.ts";
import { evaluateOnDataset } from "../evaluation/dataset-evaluation.ts";
import { openBoundModel } from "../evaluation/open-policy.ts";
import { captureHost } from "../testing/capture-host.ts";
import { roundCheckpoints } from "./round-checkpoints.ts";
import { writeStartCheckpoint } from "./start-model.ts";

let dir = "";
let paths: RunPaths;
let base: Checkpoint;
let site: Site;
const { config } = resolveConfig({ preset: "tiny", init: "random" }, {});

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-checkpoints-"));
	paths = runPaths(dir, "run");
	await recordDataset(join(dir, "data"), {
		tasks: ["reach-red"],
		episodes: 2,
		seed: 3,
		image: { height: 64, width: 64 },
		codec: "h264",
	});
	await writeStartCheckpoint(paths.globalCheckpoint(0), config, captureHost({ cwd: dir }));
	base = await openCheckpoint(paths.globalCheckpoint(0));
	site = await createSite({ name: "lab", dataset: await openDataset(join(dir, "data")), policy: base });
});
afterAll(async () => {
	await site[Symbol.asyncDispose]();
	base[Symbol.dispose]();
	await rm(dir, { recursive: true });
});

/** Trained tensors that are all `value`. */
async function weightsFile(value: number): Promise<string> {
	const path = join(dir, `weights-${value}.safetensors`);
	const filled = trainableNames(base.config, base.vlm).map((name) => {
		const { shape, data } = base.model.tensors.readFloat32(name);
		return [name, float32Array(shape, new Float32Array(data.length).fill(value))] as const;
	});
	await writeSafetensorsFile(path, new Map(filled));
	return path;
}

describe("roundCheckpoints", () => {
	test("writes the round's weights over the initial ones, shared and bound, on disk once", async () => {
		const checkpoints = roundCheckpoints({ paths, base, sites: [site], numKept: null });
		await checkpoints.write(1, await weightsFile(0.25));
		using shared = await openCheckpoint(paths.globalCheckpoint(1));
		using bound = await openCheckpoint(paths.siteCheckpoint(1, "lab"));
		const [trained = ""] = trainableNames(base.config, base.vlm);
		const [frozen = ""] = base.model.tensors.names.filter((name) => name.includes("vision_model"));
		expect(new Set(shared.model.tensors.readFloat32(trained).data)).toEqual(new Set([0.25]));
		expect(shared.model.tensors.readFloat32(frozen)).toEqual(base.model.tensors.readFloat32(frozen));
		expect(shared.isBound).toBe(false);
		expect(bound.isBound).toBe(true);
		const files = [paths.globalCheckpoint(1), paths.siteCheckpoint(1, "lab")].map((folder) =>
			join(folder, "model.safetensors"),
		);
		const inodes = await Promise.all(files.map(async (file) => (await stat(file)).ino));
		expect(new Set(inodes).size).toBe(1);
	});

	test("what is there is left alone, what is missing is made again", async () => {
		const checkpoints = roundCheckpoints({ paths, base, sites: [site], numKept: null });
		const model = join(paths.globalCheckpoint(1), "model.safetensors");
		const before = await sha256File(model);
		await rm(paths.siteCheckpoint(1, "lab"), { recursive: true });
		await checkpoints.write(1, await weightsFile(0.5));
		expect(await sha256File(model)).toBe(before);
		expect(await sha256File(join(paths.siteCheckpoint(1, "lab"), "model.safetensors"))).toBe(before);
	});

	test("old rounds go, round 0 stays", async () => {
		const checkpoints = roundCheckpoints({ paths, base, sites: [], numKept: 1 });
		for (const round of [2, 3]) await checkpoints.write(round, await weightsFile(round));
		await checkpoints.prune(3);
		expect([0, 1, 2, 3].map((round) => existsSync(paths.globalCheckpoint(round)))).toEqual([
			true,
			false,
			false,
			true,
		]);
	});
});

describe("writeStartCheckpoint", () => {
	test("random weights are the seed's", async () => {
		const again = join(dir, "again");
		const other = join(dir, "other");
		await writeStartCheckpoint(again, config, captureHost({ cwd: dir }));
		await writeStartCheckpoint(other, { ...config, seed: config.seed + 1 }, captureHost({ cwd: dir }));
		const hash = (folder: string): Promise<string> => sha256File(join(folder, "model.safetensors"));
		expect(await hash(again)).toBe(await hash(paths.globalCheckpoint(0)));
		expect(await hash(other)).not.toBe(await hash(again));
	});

	test("a start that is not there is named, random weights of the full size do not exist", async () => {
		const start = writeStartCheckpoint(
			join(dir, "x"),
			{ ...config, init: "absent" },
			captureHost({ cwd: dir }),
		);
		await expect(start).rejects.toMatchObject({
			code: "model-not-found",
			message: expect.stringContaining("absent"),
		});
		const full = writeStartCheckpoint(
			join(dir, "x"),
			{ ...config, preset: "full" },
			captureHost({ cwd: dir }),
		);
		await expect(full).rejects.toMatchObject({ code: "bad-config" });
	});
});

describe("evaluateOnDataset", () => {
	test("measures every recorded step once, and the baselines exactly", async () => {
		const checkpoints = roundCheckpoints({ paths, base, sites: [site], numKept: null });
		await checkpoints.write(4, await weightsFile(0.01));
		using checkpoint = await openBoundModel(paths.siteCheckpoint(4, "lab"), captureHost({ cwd: dir }));
		const dataset = await openDataset(join(dir, "data"));
		const seen: number[] = [];
		const found = await evaluateOnDataset(checkpoint, {
			dataset,
			heldOut: null,
			seed: 1,
			numFrames: 11,
			threads: 1,
			device: "cpu",
			onFrames: (numDone) => seen.push(numDone),
			signal: new AbortController().signal,
		});
		expect(seen).toEqual([0, 8, 11]);
		expect(found).toMatchObject({ episodes: 2, frames: 11 });
		expect(found.loss).toBeGreaterThan(0);
		const { state, action, episodeIndex, length, stateDim } = await dataset.readRows();
		let sum = 0;
		let steps = 0;
		for (let index = 0; index < 11; index++) {
			const row = Math.floor(((index + 0.5) * length) / 11);
			for (let ahead = 0; ahead < base.config.chunk_size; ahead++) {
				if (episodeIndex[row + ahead] !== episodeIndex[row]) break;
				sum += Math.abs((state[row * stateDim] ?? 0) - (action[(row + ahead) * stateDim] ?? 0));
				steps++;
			}
		}
		expect(found.joints[0]?.holdPose).toBeCloseTo(sum / steps, 9);
	});

	test("a global checkpoint is refused", async () => {
		await expect(openBoundModel(paths.globalCheckpoint(0), captureHost({ cwd: dir }))).rejects.toMatchObject({
			code: "not-bound",
		});
	});
});
