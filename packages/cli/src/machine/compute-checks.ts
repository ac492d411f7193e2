// What this machine computes: devices, a training step of the small policy, video there and back, and what that means for a
// run at full size.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NdArray, ndArray, numElements, rng } from "@zk0/arrays";
import { feedsOf, type Graph } from "@zk0/autodiff";
import { createOrtRuntime, type DeviceTrial, fastest, tryDevice } from "@zk0/autodiff/node";
import { createDatasetWriter, createFrameReader, openDataset } from "@zk0/dataset";
import { describeMemory, planMemory } from "@zk0/finetune";
import {
	buildTrainGraph,
	openCheckpoint,
	type PolicyModel,
	SMALL_BASE_DIR,
	smolvlaBasePreset,
	tensorShapes,
} from "@zk0/policy";
import { formatBytes, formatDuration } from "@zk0/records/format";
import { PRESETS } from "../config/presets.ts";
import { availableMemory } from "./available-memory.ts";
import { bad, type Finding, good } from "./finding.ts";
import { freeBytesAt } from "./system-checks.ts";

const STEP_BATCH = PRESETS.small.batchSize;
const NUM_STEPS = 3;

/** Which devices work, and how fast one product of matrices is on each. */
export async function checkDevices(
	signal: AbortSignal,
): Promise<{ findings: Finding[]; trials: DeviceTrial[] }> {
	const trials: DeviceTrial[] = [];
	for (const device of ["cpu", "webgpu", "cuda"] as const) trials.push(await tryDevice(device, { signal }));
	const findings = trials.map((trial) => {
		const name = `device ${trial.device}`;
		if (trial.works) return good(name, `works, ${trial.gflops.toFixed(0)} GFLOP/s`);
		const found = `not usable: ${lastWords(trial.reason)}`;
		return trial.device === "cpu"
			? bad("error", name, found, "install zk0 again; without it nothing trains here")
			: bad("info", name, found, `nothing to do without a GPU; with one ${GPU_CURES[trial.device]}`);
	});
	return { findings, trials };
}

const GPU_CURES = { webgpu: "install its Vulkan driver", cuda: "from NVIDIA install CUDA 12 and cuDNN 9" };

/** The end of what a library says, where the reason is. */
function lastWords(reason: string): string {
	return reason.length > 120 ? `…${reason.slice(-100)}` : reason;
}

/** One training step of the small policy from pixels, the fastest of a few. */
export async function checkTrainingStep(signal: AbortSignal): Promise<Finding> {
	using base = await openCheckpoint(SMALL_BASE_DIR);
	const trainGraph = buildTrainGraph(base.model, { batchSize: STEP_BATCH });
	await using runtime = await createOrtRuntime();
	await using trainer = await runtime.createTrainer({
		trainGraph,
		adamw: { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 1e-10 },
		clipNorm: 10,
	});
	const names = new Set(trainer.parameterNames);
	await trainer.loadParameters(
		new Map([...names].map((name) => [name, base.model.tensors.readFloat32(name)])),
	);
	const feeds = noiseFeeds(trainGraph, names);
	const times: number[] = [];
	for (let step = 0; step <= NUM_STEPS; step++) {
		signal.throwIfAborted();
		const startedMs = performance.now();
		await trainer.step(feeds, { learningRate: 0 });
		times.push(performance.now() - startedMs);
	}
	const bestMs = Math.min(...times.slice(1));
	const rate = (STEP_BATCH / bestMs) * 1000;
	return good(
		"training step",
		`small policy, ${STEP_BATCH} frames from pixels: ${bestMs.toFixed(0)} ms, ${rate.toFixed(0)} frames/s`,
	);
}

/** Feeds of the right shapes: normal deviates, small whole numbers, masks that mask nothing. */
function noiseFeeds(graph: Graph, skip: ReadonlySet<string>): Map<string, NdArray> {
	const feeds = new Map<string, NdArray>();
	for (const [name, { dtype, shape }] of feedsOf(graph)) {
		if (skip.has(name)) continue;
		const length = numElements(shape);
		const stream = rng("doctor", name);
		const scale = /bias|mask/.test(name) ? 0 : 1;
		feeds.set(
			name,
			dtype === "int64"
				? ndArray(
						"int64",
						shape,
						BigInt64Array.from({ length }, (_, index) => BigInt(index % 8)),
					)
				: ndArray(
						"float32",
						shape,
						Float32Array.from({ length }, () => scale * stream.normal()),
					),
		);
	}
	return feeds;
}

const VIDEO = { side: 96, frames: 4, fps: 10, camera: "observation.images.top" };

/** Encodes a few frames as a dataset would have them, and decodes them. */
export async function checkVideo(signal: AbortSignal): Promise<Finding> {
	const folder = await mkdtemp(join(tmpdir(), "zk0-doctor-"));
	const startedMs = performance.now();
	try {
		const { side, frames, fps, camera } = VIDEO;
		await using writer = await createDatasetWriter(join(folder, "clip"), {
			fps,
			robotType: null,
			stateNames: ["x"],
			actionNames: ["x"],
			cameras: [{ key: camera, height: side, width: side }],
			signal,
		});
		const pictures = Array.from({ length: frames }, (_, index) =>
			new Uint8Array(side * side * 3).fill(60 * index),
		);
		const numbers = new Float32Array(frames);
		await writer.addEpisode({
			task: "none",
			states: numbers,
			actions: numbers,
			images: new Map([[camera, pictures]]),
		});
		const { root } = await writer.finish();
		await using reader = createFrameReader(await openDataset(root, { signal }), { processes: 1 });
		const [picture] = await reader.read([{ episodeIndex: 0, frameIndex: frames - 1, camera }], { signal });
		const seen = picture?.rgb[0] ?? Number.NaN;
		const wanted = 60 * (frames - 1);
		if (!(Math.abs(seen - wanted) < 8)) {
			return bad(
				"error",
				"video",
				`a grey of ${wanted} came back as ${seen}`,
				"install node-av again; report this",
			);
		}
		return good("video", `AV1 written and read in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
}

/**
 * By cache level: arithmetic of one sample at full size in GFLOP, the share of a product's rate that it reaches, and what
 * is kept of a frame of two cameras (docs/performance.md, docs/prefix-cache.md).
 */
const FULL_SIZE = {
	kv: { gflop: 33.7, utilization: 0.66, frameBytes: 5.7e6 },
	connector: { gflop: 91, utilization: 0.94, frameBytes: 0.98e6 },
} as const;

/** What a run of the full preset would be like here: batch, cache level, seconds a round. */
export async function suggestFullSize(
	cpuGflops: number,
	trials: readonly DeviceTrial[],
	folder: string,
): Promise<Finding[]> {
	const { batchSize, localSteps, cacheBudget } = PRESETS.full;
	const memory = planFullSize();
	const budget = Math.min(cacheBudget, (await freeBytesAt(folder)) / 2);
	const device = fastest(trials);
	const levels = Object.entries(FULL_SIZE).map(([level, { gflop, utilization, frameBytes }]) => {
		const roundMs = (gflop / (cpuGflops * utilization)) * batchSize * localSteps * 1000;
		return `${level} up to ${Math.floor(budget / frameBytes)} frames: ${formatDuration(roundMs)}`;
	});
	const batch = `--batch-size ${batchSize} --micro-batch ${memory.microBatch} --device ${device}`;
	return [
		memory.fits
			? good("full size, memory", memory.text)
			: bad(
					"info",
					"full size, memory",
					memory.text,
					"train an adapter (--lora-rank 16) or take a larger machine",
				),
		good("full size, batch", memory.fits ? batch : `--lora-rank 16 ${batch}`),
		good(
			"full size, round",
			`${localSteps} steps on the processor, by what --cache keeps in ${formatBytes(budget)}: ${levels.join("; ")}`,
		),
	];
}

/** The largest micro-batch that fits, or what one sample at a time takes. */
function planFullSize(): { readonly fits: boolean; readonly microBatch: number; readonly text: string } {
	const availableBytes = availableMemory();
	const { batchSize } = PRESETS.full;
	const model = fullSizeShapes();
	const cameras = ["observation.images.camera1", "observation.images.camera2"];
	const planOf = (microBatch: number) =>
		planMemory({
			model,
			cameras,
			batchSize,
			microBatch,
			isProximal: true,
			numEngines: 1,
			availableBytes: null,
		});
	const plans = [batchSize, 1].map(planOf);
	const plan = plans.find(({ totalBytes }) => totalBytes <= availableBytes) ?? planOf(1);
	const fits = plan.totalBytes <= availableBytes;
	return { fits, microBatch: plan.microBatch, text: describeMemory({ ...plan, availableBytes }) };
}

/** SmolVLA as published without its weights: enough to lay out graphs, which only need shapes. */
function fullSizeShapes(): PolicyModel {
	const { config, vlm } = smolvlaBasePreset();
	const shapes = tensorShapes(config, vlm);
	const refuse = (): never => {
		throw new TypeError("the doctor's model has no weights to read");
	};
	let offset = 0;
	const regions = new Map(
		[...shapes].map(([name, shape]) => {
			const length = 4 * numElements(shape);
			offset += length;
			return [name, { path: "model.safetensors", offsetBytes: offset - length, sizeBytes: length }] as const;
		}),
	);
	return {
		config,
		vlm,
		imageTokens: { fake: 1, global: 2 },
		tensors: {
			names: [...shapes.keys()],
			shapeOf: (name) => shapes.get(name),
			dtypeOf: (name) => (shapes.has(name) ? "float32" : undefined),
			regionOf: (name) => regions.get(name),
			read: refuse,
			readFloat32: refuse,
		},
	};
}
