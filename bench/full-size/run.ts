// Benchmark `step --preset smolvla-base`: training steps and an action chunk of the 450 M parameter policy on random
// weights, two cameras, float32. Each stage runs in a process of its own, whose memory is read at its end; this process
// measures a GEMM before each repeat. Seconds are given as measured (`...Raw`) and for a machine whose GEMM does 180
// GFLOP/s, which is the raw time times measured GEMM / 180.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createOrtRuntime } from "@zk0/autodiff/node";
import { gemmGraph, gflopOf, median, round } from "../arithmetic.ts";
import { checkCounts, openFullSize } from "./model.ts";
import { startStage } from "./stage-process.ts";
import type { Figures } from "./stages.ts";

const THREADS = 2;
const REFERENCE_GFLOPS = 180;
/** Runs of the GEMM before each repeat of a stage. */
const NUM_GEMMS = 1;
/** Repeats that count, after one that does not. */
const NUM_REPEATS = { uncachedB1: 5, kvB8: 7, connectorB8: 5, chunk: 5 };

type Measured = keyof typeof NUM_REPEATS;

interface StageResult {
	readonly gflop: number;
	readonly peakRssMb: number | null;
	/** Medians over the repeats. */
	readonly figures: Figures;
}

/** Runs the benchmark; about four minutes, and one more the first time, when the weights are drawn. */
export async function runFullSizeBench({ checkpoint = randomWeights() } = {}): Promise<unknown> {
	using full = openFullSize(checkpoint);
	const counts = checkCounts(full);
	await using runtime = await createOrtRuntime({ threads: THREADS });
	const { graph, feeds } = gemmGraph();
	await using gemm = await runtime.compile(graph, { packWeights: true });
	const gemmMs: number[] = [];
	const measureGemm = async (): Promise<void> => {
		for (let repeat = 0; repeat < NUM_GEMMS; repeat++) {
			const startMs = performance.now();
			await gemm.run(feeds);
			gemmMs.push(performance.now() - startMs);
		}
	};
	await measureGemm();
	gemmMs.length = 0;
	const measure = async (name: Measured): Promise<StageResult> => {
		using stage = await startStage(name, checkpoint, THREADS);
		await stage.run();
		const repeats: Figures[] = [];
		for (let repeat = 0; repeat < NUM_REPEATS[name]; repeat++) {
			await measureGemm();
			repeats.push(await stage.run());
		}
		const keys = Object.keys(repeats[0] ?? {});
		const medians = keys.map((key) => [key, median(repeats.map((figures) => figures[key] ?? Number.NaN))]);
		return { gflop: stage.gflop, peakRssMb: await stage.end(), figures: Object.fromEntries(medians) };
	};
	const single = async (name: "profile" | "compare"): Promise<Figures> => {
		using stage = await startStage(name, checkpoint, THREADS);
		return await stage.run();
	};
	const kv = await measure("kvB8");
	const connector = await measure("connectorB8");
	const uncached = await measure("uncachedB1");
	const chunk = await measure("chunk");
	const breakdown = await single("profile");
	const compared = await single("compare");
	const gemmGflops = gflopOf(graph) / (median(gemmMs) / 1000);
	const times = {
		uncachedB1Ms: uncached.figures["ms"] ?? Number.NaN,
		kvB8MsPerSample: (kv.figures["ms"] ?? Number.NaN) / 8,
		connectorB8MsPerSample: (connector.figures["ms"] ?? Number.NaN) / 8,
		chunkColdMs: chunk.figures["ms"] ?? Number.NaN,
		denoiseMs: chunk.figures["denoiseMs"] ?? Number.NaN,
	};
	const stages = { uncachedB1: uncached, connectorB8: connector, kvB8: kv, chunk };
	return {
		preset: "smolvla-base",
		threads: THREADS,
		...counts,
		gemmGflops: round(gemmGflops, 1),
		gemmNoise: round((Math.max(...gemmMs) - Math.min(...gemmMs)) / median(gemmMs), 2),
		stages: Object.entries(stages).map(([stage, { gflop, figures, peakRssMb }]) => {
			const gflops = gflop / ((figures["ms"] ?? Number.NaN) / 1000);
			return { stage, gflop: round(gflop, 1), gflops: round(gflops, 1), peakRssMb, ...rounded(figures, 1) };
		}),
		...rounded(times, 1, (ms) => ms * (gemmGflops / REFERENCE_GFLOPS)),
		...Object.fromEntries(Object.entries(times).map(([key, ms]) => [`${key}Raw`, round(ms, 1)])),
		cachedUtilization: round(kv.gflop / ((kv.figures["ms"] ?? Number.NaN) / 1000) / gemmGflops, 3),
		cachedBreakdown: rounded(breakdown, 1),
		rssUncachedB1Mb: uncached.peakRssMb,
		rssKvB8Mb: kv.peakRssMb,
		rssConnectorB8Mb: connector.peakRssMb,
		rssChunkMb: chunk.peakRssMb,
		...compared,
	};
}

function rounded(figures: Figures, digits: number, scale = (value: number) => value): Figures {
	return Object.fromEntries(
		Object.entries(figures).map(([key, value]) => [key, round(scale(value), digits)]),
	);
}

/** A checkpoint with random weights, written once by `zk0 model init`. */
export function randomWeights(): string {
	const directory = join(tmpdir(), "zk0-smolvla-base-seed1");
	if (existsSync(join(directory, "model.safetensors"))) return directory;
	const cli = new URL("../../packages/cli/dist/main.js", import.meta.url).pathname;
	const args = [cli, "model", "init", "--preset", "smolvla-base", "--seed", "1", "--out", directory];
	const { status } = spawnSync(process.execPath, args, { stdio: ["ignore", 2, "inherit"] });
	if (status !== 0) throw new RangeError(`full size: zk0 model init ended with exit code ${status}`);
	return directory;
}
