// Makes packages/policy/assets/small-base: the small preset, trained from random weights on simulated tasks that the demonstration
// sites never show, so that `npm start` fine-tunes. First the backbone learns to see and to understand sentences
// (pretrain/perception.ts), then the whole policy, vision tower included, learns from demonstrations in ever
// changing workplaces. The same machine gives the same bytes; about a quarter of an hour on two cores.
// Usage: node --conditions=source --import tsx tools/pretrain-small.ts [--out <dir>] [--work <dir>] [--steps <n>] …
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { NdArray } from "@zk0/arrays";
import { createOrtRuntime } from "@zk0/autodiff/node";
import { openDataset } from "@zk0/dataset";
import {
	createPolicyEngine,
	createPool,
	createSite,
	type Learning,
	shuffledLosses,
	trainOnSite,
} from "@zk0/finetune";
import {
	initWeights,
	loadTokenizer,
	memoryTensors,
	overlayTensors,
	smallPreset,
	trainableNames,
	writeCheckpoint,
} from "@zk0/policy";
import { recordDataset, tasksOf } from "@zk0/sim";
import { trainPerception } from "./pretrain/perception.ts";

const TOKENIZER_DIR = "packages/policy/assets/small/tokenizer";
const SEED = 1;

const { values } = parseArgs({
	options: {
		out: { type: "string", default: "packages/policy/assets/small-base" },
		work: { type: "string", default: ".zk0/pretrain" },
		episodes: { type: "string", default: "400" },
		perceptionSteps: { type: "string", default: "1500" },
		steps: { type: "string", default: "2500" },
		batch: { type: "string", default: "32" },
		threads: { type: "string", default: "2" },
	},
});
const [numEpisodes, numSteps, batchSize] = [
	Number(values.episodes),
	Number(values.steps),
	Number(values.batch),
];

/** Tasks of the demonstration's kinds of motion and of lifting; placing takes long and teaches little of them. */
const tasks = tasksOf("pretrain")
	.filter(({ goal }) => goal.kind !== "place")
	.map(({ id }) => id);

const startedMs = performance.now();
const elapsed = (): string => `${((performance.now() - startedMs) / 1000).toFixed(0)} s`;

const recordingDir = join(values.work, `recordings-${tasks.length}-${numEpisodes}`);
if (!existsSync(recordingDir)) {
	await mkdir(values.work, { recursive: true });
	await recordDataset(recordingDir, {
		tasks,
		episodes: numEpisodes,
		seed: SEED,
		varyDomain: true,
		image: { height: 96, width: 96 },
		onEpisode: (done) => {
			if (done % 50 === 0) console.log(`${elapsed()}: recorded ${done} of ${numEpisodes} episodes`);
		},
	});
}

const { config, vlm } = smallPreset();
const openConfig = { ...config, train_expert_only: false, freeze_vision_encoder: false };
const initial = scaledConnector(initWeights(openConfig, vlm, SEED));
const tokenizer = loadTokenizer(TOKENIZER_DIR);
const trainedNames = trainableNames(openConfig, vlm);
const seeing = await trainPerception(
	{ config: openConfig, vlm, tensors: memoryTensors(initial) },
	trainedNames.filter((name) => name.includes(".vlm.")),
	{
		tokenizer,
		seed: SEED,
		numScenes: 4000,
		numSteps: Number(values.perceptionSteps),
		batchSize: 32,
		threads: Number(values.threads),
		log: (line) => console.log(`${elapsed()}: ${line}`),
	},
);
const model = { config: openConfig, vlm, tensors: overlayTensors(memoryTensors(initial), seeing) };
await using site = await createSite({
	name: "pretrain",
	dataset: await openDataset(recordingDir),
	policy: { ...model, tokenizer },
	heldOut: 0.05,
	pictureCacheBytes: 4 * 2 ** 30,
	evalFrames: 256,
	evalDraws: 1,
	sampledFrames: 64,
});
const learning: Learning = {
	batchSize,
	peakLr: 1e-3,
	warmupSteps: 100,
	decaySteps: numSteps,
	decayLr: 2e-5,
	betas: [0.9, 0.95],
	eps: 1e-8,
	weightDecay: 0,
	gradClipNorm: 1,
	keepOptimizerState: true,
};
const engine = createPolicyEngine(await createOrtRuntime({ threads: Number(values.threads) }), model);
const { betas, eps, weightDecay, gradClipNorm } = learning;
const settings = { betas, eps, weightDecay, gradClipNorm };
// The trainer that trainOnSite uses: afterwards it holds the trained weights.
const compiled = await engine.trainerFor(site.shapeFor(batchSize), settings);
console.log(
	`${elapsed()}: ${site.data.trainItems.length} frames to train on, ${numSteps} steps of ${batchSize}`,
);

let sum = 0;
await using pool = createPool([engine]);
const result = await trainOnSite(site, pool, {
	seed: SEED,
	weights: new Map(trainedNames.map((name) => [name, model.tensors.readFloat32(name)])),
	learning,
	numSteps,
	globalStep: 0,
	totalSteps: numSteps,
	from: { samplesConsumed: 0, optimizer: null },
	proximalMu: 0,
	onProgress: ({ step, loss, samplesPerSecond }) => {
		sum += loss;
		if (step % 100 !== 0) return;
		console.log(
			`${elapsed()}: step ${step}, loss ${(sum / 100).toFixed(4)}, ${samplesPerSecond.toFixed(0)} samples/s`,
		);
		sum = 0;
	},
});

const losses = await shuffledLosses(site, engine, compiled, { seed: SEED });
const heldOut = await site.evaluate(engine, compiled, { seed: SEED });
console.log(
	JSON.stringify({
		...losses,
		jointErrorDeg: heldOut?.joints.meanDeg,
		holdPoseErrorDeg: heldOut?.holdPose?.meanDeg,
		meanActionErrorDeg: heldOut?.meanAction.meanDeg,
	}),
);
await writeCheckpoint(values.out, {
	config,
	vlm,
	tensors: overlayTensors(model.tensors, result.weights),
	tokenizerDir: TOKENIZER_DIR,
});
console.log(`${elapsed()}: wrote ${values.out}`);

/**
 * Image tokens enter the language layers times sqrt(width). With the preset's initialisation that is twenty times
 * the size of a word, so that words could hardly be heard among them; this brings both to the same size.
 */
function scaledConnector(weights: Map<string, NdArray<"float32">>): Map<string, NdArray<"float32">> {
	for (const [name, { data }] of weights) {
		if (!name.includes("connector")) continue;
		for (let index = 0; index < data.length; index++) data[index] = 0.15 * (data[index] ?? 0);
	}
	return weights;
}
