// Federations at full size on random weights, as a user runs them: the built program as a child process on simulated
// recordings at 480x640, its memory sampled over all of its processes, its bytes read from its log.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { verifyEventLog } from "@zk0/federation";
import { z } from "zod";
import { randomWeights } from "./full-size/run.ts";
import { type PeakMemory, watchMemory } from "./process-memory.ts";

const CLI = new URL("../packages/cli/dist/main.js", import.meta.url).pathname;
const CAMERAS = { top: "camera1", wrist: "camera2" };
/** The 155 trained tensors in float32. */
const TRAINED_BYTES = 4 * 99_880_992;

/** Options of both benchmarks. */
export interface FederateFullOptions {
	/** A directory with full-size weights; default: random ones in the temporary folder, made when absent. */
	readonly checkpoint?: string;
}

interface Federation extends PeakMemory {
	readonly seconds: number;
	/** One update on its way, and the bytes of a round over all sites; round 0 is the first. */
	readonly updateBytes: number;
	readonly bytesUp: readonly (number | null)[];
	readonly bytesDown: readonly (number | null)[];
	readonly finalLoss: number | null;
	/** Tensors that `zk0 model inspect` finds in the final checkpoint. */
	readonly inspectedTensors: number;
}

/**
 * Two sites, two rounds, two local steps, in float32 and in bfloat16: peak memory, bytes by round, and the final
 * checkpoint through `zk0 model inspect`. `shareOfTrained`: an update's bytes over those of the trained tensors.
 */
export async function runFederateFullBench(options: FederateFullOptions): Promise<unknown> {
	const float32 = await federate(options, { sites: 2, rounds: 2, dtype: "float32" });
	const bfloat16 = await federate(options, { sites: 2, rounds: 2, dtype: "bfloat16" });
	return {
		trainedBytes: TRAINED_BYTES,
		float32: { ...float32, shareOfTrained: float32.updateBytes / TRAINED_BYTES },
		bfloat16: { ...bfloat16, shareOfTrained: bfloat16.updateBytes / TRAINED_BYTES },
	};
}

/** One and four sites on this machine, one round: `ratio` is the peak memory of four over that of one. */
export async function runSitesFullBench(options: FederateFullOptions): Promise<unknown> {
	const one = await federate(options, { sites: 1, rounds: 1, dtype: "float32" });
	const four = await federate(options, { sites: 4, rounds: 1, dtype: "float32" });
	return { one, four, ratio: (four.peakRssMb ?? Number.NaN) / (one.peakRssMb ?? Number.NaN) };
}

async function federate(
	{ checkpoint = randomWeights() }: FederateFullOptions,
	{ sites, rounds, dtype }: { readonly sites: number; readonly rounds: number; readonly dtype: string },
): Promise<Federation> {
	const dir = await mkdtemp(join(tmpdir(), "zk0-federate-"));
	try {
		const cameras = Object.entries(CAMERAS).flatMap(([from, to]) => [
			"--camera",
			`observation.images.${from}=observation.images.${to}`,
		]);
		const sizes = ["--sites", String(sites), "--rounds", String(rounds), "--local-steps", "2"];
		const threads = ["--threads", String(availableParallelism())];
		const small = ["--batch-size", "2", "--episodes", "2", "--eval-frames", "2", "--sampled-frames", "1"];
		const words = [
			"simulate",
			"--preset",
			"full",
			"--init",
			checkpoint,
			...cameras,
			...sizes,
			...threads,
			...small,
		];
		const startedMs = performance.now();
		const child = spawn(
			process.execPath,
			[CLI, ...words, "--update-dtype", dtype, "--cache", "off", "--out", dir, "--json"],
			{ stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, NO_COLOR: "1" } },
		);
		const memory = watchMemory(child.pid ?? 0);
		const output: Buffer[] = [];
		child.stdout.on("data", (bytes: Buffer) => output.push(bytes));
		const [code] = await once(child, "close");
		const peak = memory.stop();
		const seconds = (performance.now() - startedMs) / 1000;
		if (code !== 0) throw new RangeError(`federate-full: zk0 simulate ended with exit code ${code}`);
		const result = resultSchema.parse(JSON.parse(Buffer.concat(output).toString("utf8")));
		const { events } = await verifyEventLog(join(result.runDir, "events.jsonl"));
		const evaluated = events.filter((event) => event.kind === "round.evaluated");
		const update = events.find((event) => event.kind === "update.received");
		const found = {
			...peak,
			seconds: Math.round(seconds),
			updateBytes: update?.sizeBytes ?? Number.NaN,
			bytesUp: evaluated.map(({ bytesUp }) => bytesUp),
			bytesDown: evaluated.map(({ bytesDown }) => bytesDown),
			finalLoss: result.finalLoss,
			inspectedTensors: inspect(result.checkpoint),
		};
		console.error(`${sites} sites, ${rounds} rounds, ${dtype}: ${JSON.stringify(found)}`);
		return found;
	} finally {
		await rm(dir, { recursive: true });
	}
}

const resultSchema = z.object({
	runDir: z.string(),
	checkpoint: z.string(),
	finalLoss: z.number().nullable(),
});

/** Tensors of a checkpoint. @throws RangeError when `zk0 model inspect` does not accept it */
function inspect(checkpoint: string): number {
	const { status, stdout } = spawnSync(process.execPath, [CLI, "model", "inspect", checkpoint, "--json"]);
	if (status !== 0) throw new RangeError(`federate-full: zk0 model inspect ended with exit code ${status}`);
	return z.object({ tensors: z.number() }).parse(JSON.parse(stdout.toString("utf8"))).tensors;
}
