import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { computeStats, openDataset } from "@zk0/dataset";
import { normalizerStats } from "@zk0/finetune";
import { bindCheckpoint, contentOf, openCheckpoint, writeCheckpoint } from "@zk0/policy";
import { recordDataset } from "@zk0/sim";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { resolveConfig } from "../config/resolve.ts";
import { createPredictor, type Predictor, type PredictorOptions } from "../episode-viewer/predictor.ts";
import { viewRecordings } from "../episode-viewer/recordings.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { runCli } from "../run-cli.ts";
import { writeStartCheckpoint } from "../simulation/start-model.ts";
import { captureHost } from "../testing/capture-host.ts";
import { COMMANDS } from "./index.ts";

const cwd = mkdtempSync(join(tmpdir(), "zk0-predict-"));
const predicted = z.looseObject({
	frames: z.number(),
	every: z.number(),
	joints: z.array(
		z.object({
			name: z.string(),
			unit: z.enum(["deg", "percent"]),
			error: z.number(),
			holdPose: z.number().nullable(),
			recorded: z.array(z.number()),
			predicted: z.array(z.number()),
		}),
	),
	chunks: z.array(z.object({ frame: z.number(), seconds: z.number() })),
});

async function run(line: string) {
	const host = captureHost({ cwd });
	const code = await runCli(["predict", ...line.split(" ")], host, { commands: COMMANDS, version: "0" });
	return { code, out: host.out(), err: host.err() };
}

beforeAll(async () => {
	const image = { height: 64, width: 64 };
	await recordDataset(join(cwd, "data"), {
		tasks: ["reach-red"],
		episodes: 2,
		seed: 3,
		image,
		codec: "h264",
	});
	const { config } = resolveConfig({ preset: "tiny", init: "random" }, {});
	await writeStartCheckpoint(join(cwd, "global"), config, captureHost({ cwd }));
	const dataset = await openDataset(join(cwd, "data"));
	const stats = normalizerStats(await computeStats(dataset));
	await bindCheckpoint(join(cwd, "global"), join(cwd, "bound"), { stats });
	using bound = await openCheckpoint(join(cwd, "bound"));
	const features = Object.entries(bound.config.input_features).map(([key, feature]) => [
		key.replace("images.", "images.other_"),
		feature,
	]);
	const other = { ...bound.config, input_features: Object.fromEntries(features) };
	const site = { stats, renameMap: {} };
	await writeCheckpoint(join(cwd, "elsewhere"), { ...contentOf(bound), config: other, site });
});
afterAll(() => rmSync(cwd, { recursive: true }));

describe("zk0 predict", () => {
	test("writes values with units, a picture and a page", async () => {
		const { code, out } = await run("bound data --episode 1 --json");
		expect(code).toBe(0);
		const summary = z
			.looseObject({ json: z.string(), svg: z.string(), html: z.string() })
			.parse(JSON.parse(out));
		const { frames, every, joints, chunks } = predicted.parse(JSON.parse(readFileSync(summary.json, "utf8")));
		expect(every).toBe(8);
		expect(chunks.map(({ frame }) => frame)).toEqual(
			Array.from({ length: Math.ceil(frames / 8) }, (_, i) => 8 * i),
		);
		expect(joints.map(({ unit }) => unit)).toEqual(["deg", "deg", "deg", "deg", "deg", "percent"]);
		for (const joint of joints) {
			expect([joint.recorded.length, joint.predicted.length]).toEqual([frames, frames]);
			const gaps = joint.predicted.map((value, frame) =>
				Math.abs(value - (joint.recorded[frame] ?? Number.NaN)),
			);
			expect(joint.error).toBeCloseTo(gaps.reduce((sum, gap) => sum + gap, 0) / frames, 6);
		}
		const svg = readFileSync(summary.svg, "utf8");
		expect(svg).toContain("prefers-color-scheme:dark");
		expect(svg.match(/class="predicted" d="M/g)).toHaveLength(6);
		const page = readFileSync(summary.html, "utf8");
		expect(page).toContain("mean absolute error");
		expect(`${svg}${page}`).not.toMatch(/(href|src)="https?:/);
	});

	test("says the errors and the time, with real-time chunking too", async () => {
		const { code, out } = await run("bound data --episode 0 --every 6 --rtc 2 --out figures");
		expect(code).toBe(0);
		expect(out).toContain("gripper.pos");
		expect(out).toMatch(/s per chunk \(the first/);
		const document = JSON.parse(readFileSync(join(cwd, "figures", "episode_0.json"), "utf8"));
		expect(document).toMatchObject({ every: 6, rtc: { delay: 2, schedule: "LINEAR" } });
	});

	test.each([
		["bound data", "missing --episode <n>", "usage"],
		["bound data --episode 7", "it has 2 episodes, 0 to 1", "usage"],
		["bound data --episode 0 --every 17", "more than the 16 actions of a chunk", "usage"],
		["bound data --episode 0 --every 16 --rtc 1", "leaves nothing to guide with", "usage"],
		["bound nowhere --episode 0", "nowhere", "dataset"],
		["global data --episode 0", "error[not-bound]", "model"],
		["elsewhere data --episode 0", "error[camera-missing]", "dataset"],
	] as const)("%s is refused", async (line, text, exit) => {
		const { code, err } = await run(line);
		expect(err).toContain(text);
		expect(code).toBe(EXIT_CODES[exit].code);
	});
});

describe("the episode viewer", () => {
	const ids = ["bound", "global", "elsewhere"] as const;
	async function open(change: Partial<PredictorOptions> = {}): Promise<Predictor & { reopen(): Predictor }> {
		const dataset = await openDataset(join(cwd, "data"));
		const options: PredictorOptions = {
			recordings: viewRecordings({ name: "data", dataset, split: null }),
			profile: null,
			camera: undefined,
			models: async () => ids.map((id) => ({ id, label: id, round: null, checkpoint: join(cwd, id) })),
			every: null,
			seed: 42,
			threads: 1,
			device: "cpu",
			cacheDir: join(cwd, "predictions"),
			host: captureHost({ cwd }),
			...change,
		};
		return Object.assign(createPredictor(options), { reopen: () => createPredictor(options) });
	}
	const ended = async (predictor: Predictor, numEnded: number): Promise<void> => {
		await expect.poll(() => predictor.progress().numEnded, { timeout: 30_000 }).toBe(numEnded);
	};

	test("shows the numbers of zk0 predict, for a bound model and for one that it binds itself, and keeps them", async () => {
		const { code } = await run("bound data --episode 1 --out alike");
		expect(code).toBe(0);
		const alike = predicted.parse(JSON.parse(readFileSync(join(cwd, "alike", "episode_1.json"), "utf8")));
		await using predictor = await open();
		expect(await predictor.state("bound", 1)).toEqual({ kind: "none" });
		await predictor.start("bound", 1);
		await predictor.start("global", 1);
		expect(predictor.progress().underWay).toHaveLength(2);
		expect(await predictor.state("bound", 1)).toMatchObject({ kind: "running" });
		await ended(predictor, 2);
		await using later = predictor.reopen();
		for (const id of ["bound", "global"]) {
			const state = await later.state(id, 1);
			if (state.kind !== "ready") throw new RangeError(`${id} is ${state.kind}`);
			const { joints, chunks, every } = state.prediction;
			expect(joints).toEqual(
				alike.joints.map(({ error, holdPose, predicted: values }) => ({
					error,
					holdPose,
					predicted: values,
				})),
			);
			expect([every, chunks]).toEqual([alike.every, alike.chunks.map(({ frame }) => frame)]);
		}
		expect(await later.state("bound", 0)).toEqual({ kind: "none" });
		await using other = await open({ seed: 43 });
		expect(await other.state("bound", 1)).toEqual({ kind: "none" });
	});

	test("a prediction that cannot be made says why, and one that is cancelled is gone", async () => {
		await using predictor = await open();
		await predictor.start("elsewhere", 0);
		await predictor.start("bound", 0);
		predictor.cancel("bound", 0);
		await ended(predictor, 2);
		expect(await predictor.state("elsewhere", 0)).toMatchObject({
			kind: "failed",
			message: expect.stringContaining("camera"),
		});
		expect(await predictor.state("bound", 0)).toEqual({ kind: "none" });
		await predictor.start("bound", 0);
		await expect.poll(() => predictor.progress().underWay[0]?.frames, { timeout: 30_000 }).toBeGreaterThan(0);
		predictor.cancel("bound", 0);
		await ended(predictor, 3);
		expect(await predictor.state("bound", 0)).toEqual({ kind: "none" });
	});
});
