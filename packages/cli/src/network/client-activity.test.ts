// What a client writes down: the task while it is worked on, a line per round, why something failed; across restarts.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clientActivitySchema } from "@zk0/dashboard/views";
import type { ClientApp, EvaluateTask, TaskContext, TrainTask } from "@zk0/federation";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CliError } from "../cli-error.ts";
import { openActivityLog } from "./client-activity.ts";
import { readJsonFile } from "./private-file.ts";

let dir: string;
beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-activity-"));
});
afterAll(() => rm(dir, { recursive: true }));

const path = (): string => join(dir, "activity.json");
const read = () => readJsonFile(path(), clientActivitySchema);
const open = (server: string) => {
	let nowMs = 1_800_000_000_000;
	const now = (): number => {
		nowMs += 500;
		return nowMs;
	};
	return openActivityLog({
		path: path(),
		server,
		site: "kitchen",
		now,
		onFault: (error) => {
			throw error;
		},
	});
};

const shared = { runId: "r1", seed: 1, learning: {}, weightsPath: "", weightsSha256: "" };
const trainTask = (round: number): TrainTask => {
	const steps = { numLocalSteps: 2, globalStep: 2 * (round - 1), totalSteps: 8 };
	return { ...shared, ...steps, round, proximalMu: 0 };
};
const evaluateTask = (round: number): EvaluateTask => ({ ...shared, round });
const context = (signal = new AbortController().signal): TaskContext => ({
	signal,
	onProgress: () => undefined,
	fetchFiles: () => Promise.resolve(),
	scratchDir: "",
});

function app(failure: Error | null = null): ClientApp {
	return {
		describe: () => ({ numSamples: 5, details: {} }),
		train: async (_, { onProgress }) => {
			onProgress({ step: 1, numSteps: 2, loss: 0.9, samplesPerSecond: 3 });
			if (failure !== null) throw failure;
			return { weightsPath: "", numSamples: 8, metrics: { loss: 0.8, heldOutLoss: 0.75 } };
		},
		evaluate: () => Promise.resolve({ loss: 0.7, numSamples: 4, metrics: {} }),
	};
}

test("rounds, bytes and failures are kept, and known again after a restart; another server's are not", async () => {
	{
		await using log = await open("fl.example:9092");
		const watched = log.observed(app());
		expect(watched.describe().numSamples).toBe(5);
		await watched.evaluate(evaluateTask(0), context());
		await watched.train(trainTask(1), context());
		await watched.evaluate(evaluateTask(1), context());
		log.traffic({ method: "m", requestBytes: 10, responseBytes: 4 });
		log.traffic({ method: "m", requestBytes: 1, responseBytes: 1 });
		const broken = log.observed(app(new CliError("model-unusable", "the weights are odd", { cure: "wait" })));
		await expect(broken.train(trainTask(2), context())).rejects.toThrow("odd");
		// One that was called off is no failure.
		const off = AbortSignal.abort();
		await expect(broken.train(trainTask(2), context(off))).rejects.toThrow("odd");
		log.event({ kind: "retrying", message: "refused" });
		log.event({ kind: "retrying", message: "refused" });
		log.event({ kind: "task-ended", end: { kind: "withdrawn" } });
	}
	{
		await using log = await open("fl.example:9092");
		log.event({ kind: "online" });
	}
	expect(await read()).toMatchObject({
		task: null,
		bytesUp: 11,
		bytesDown: 5,
		rounds: [
			{ round: 0, heldOutLoss: 0.7, localHeldOutLoss: null, trainLoss: null, numSamples: null },
			{ round: 1, heldOutLoss: 0.7, localHeldOutLoss: 0.75, trainLoss: 0.8, numSteps: 2, numSamples: 8 },
		],
		incidents: [
			{ severity: "error", round: 2, detail: "the weights are odd", cure: "wait" },
			{ severity: "warning", detail: "refused" },
		],
	});
	{
		await using log = await open("other.example:9092");
		log.event({ kind: "online" });
	}
	expect(await read()).toMatchObject({ server: "other.example:9092", rounds: [], incidents: [], bytesUp: 0 });
});

test("the task at hand is there while it is worked on", async () => {
	await using log = await open("fl.example:9092");
	let release: () => void = () => undefined;
	const held = new Promise<void>((resolve) => {
		release = resolve;
	});
	const slow: ClientApp = {
		...app(),
		train: async (task, given) => {
			given.onProgress({ step: 1, numSteps: 2, loss: 0.9, samplesPerSecond: 3 });
			await held;
			return await app().train(task, given);
		},
	};
	const training = log.observed(slow).train(trainTask(3), context());
	await expect
		.poll(async () => (await read())?.task, { timeout: 5000 })
		.toMatchObject({
			runId: "r1",
			round: 3,
			phase: "train",
			step: 1,
			numSteps: 2,
			loss: 0.9,
			globalStep: 4,
			totalSteps: 8,
		});
	release();
	await training;
});
