// Child process that predicts one episode, so that the viewer stays responsive, a prediction can be ended at any moment,
// and a crash of the engine costs nothing else. It is told what to do by its first message.
import { openSafetensors, writeFileAtomic } from "@zk0/arrays/node";
import { chooseDevice } from "@zk0/autodiff/node";
import { openDataset } from "@zk0/dataset";
import { assertDeployable, boundTo, type Checkpoint, openCheckpoint, overlayTensors } from "@zk0/policy";
import { CliError } from "../cli-error.ts";
import { predictOnDataset } from "../evaluation/episode-prediction.ts";
import { type PredictionMessage, type PredictionTask, predictionTaskSchema } from "./prediction-task.ts";

function send(message: PredictionMessage): void {
	process.send?.(message);
}

/** Says how it ended and ends, whatever handles are still open. */
function end(message: PredictionMessage, exitCode: number): void {
	if (!process.connected) process.exit(exitCode);
	process.send?.(message, () => process.exit(exitCode));
}

// Without its parent nobody wants the prediction.
process.on("disconnect", () => process.exit(1));
// Ctrl-C in a terminal reaches the whole group; the parent decides.
process.on("SIGINT", () => undefined);

process.once("message", (json) => {
	predict(predictionTaskSchema.parse(json)).then(
		() => end({ kind: "done" }, 0),
		(error: unknown) => {
			const message = error instanceof Error ? error.message : String(error);
			const cure = error instanceof CliError ? (error.cure ?? null) : null;
			end({ kind: "failed", message, cure }, 1);
		},
	);
});

async function predict(task: PredictionTask): Promise<void> {
	const { checkpoint: directory, baseDir, vlmDir, binding, episode, seed, threads, every, out } = task;
	// Whoever ends a prediction ends the process.
	const { signal } = new AbortController();
	using opened = await openCheckpoint(directory, {
		...(baseDir === undefined ? {} : { baseDir }),
		...(vlmDir === undefined ? {} : { vlmDir }),
		hub: { env: process.env, signal },
	});
	if (binding === null) assertDeployable(opened);
	const checkpoint = task.weights === null ? opened : withTrained(opened, task.weights);
	const { root, episodes, cameras, toleranceS } = task.dataset;
	const selection = { episodes: episodes ?? undefined, cameras: cameras ?? undefined };
	const dataset = await openDataset(root, { selection, toleranceS, signal });
	const { device } = await chooseDevice(task.device, { signal });
	const prediction = await predictOnDataset(binding === null ? checkpoint : boundTo(checkpoint, binding), {
		dataset,
		episode,
		every: every ?? undefined,
		rtcDelay: undefined,
		seed,
		threads,
		device,
		onFrames: (done, frames) => send({ kind: "frames", done, frames }),
		signal,
	});
	await writeFileAtomic(out, `${JSON.stringify(prediction)}\n`);
}

/** The checkpoint with the trained tensors of a round. */
function withTrained(checkpoint: Checkpoint, path: string): Checkpoint {
	using weights = openSafetensors(path);
	const trained = new Map([...weights.entries.keys()].map((name) => [name, weights.readFloat32(name)]));
	const { model } = checkpoint;
	return { ...checkpoint, model: { ...model, tensors: overlayTensors(model.tensors, trained) } };
}
