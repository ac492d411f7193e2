// Stages of the benchmark `lora` at full size: a step of an adapter, and what merging it changes.
import { float32Array, type NdArray, numElements, rng } from "@zk0/arrays";
import { createOrtRuntime } from "@zk0/autodiff/node";
import {
	buildSamplerGraphs,
	denoise,
	mergedTensors,
	modelDims,
	overlayTensors,
	type PolicyModel,
	trainedNames,
	withFreshAdapter,
} from "@zk0/policy";
import { randomFeeds } from "../arithmetic.ts";
import { CAMERAS } from "./model.ts";

/** The rank that LeRobot's fine-tuning has by default. */
export const LORA_RANK = 16;

/** `model` with an adapter whose B is drawn as large as A, so that it does something. */
export function adaptFullSize(model: PolicyModel): PolicyModel {
	const fresh = withFreshAdapter(model, { rank: LORA_RANK, seed: 1 });
	const drawn = trainedNames(fresh)
		.filter((name) => name.includes("lora_B"))
		.map((name): [string, NdArray] => {
			const { shape } = fresh.tensors.read(name);
			const stream = rng("bench", name);
			const values = Float32Array.from({ length: numElements(shape) }, () => 0.02 * stream.normal());
			return [name, float32Array(shape, values)];
		});
	return { ...fresh, tensors: overlayTensors(fresh.tensors, new Map(drawn)) };
}

/** Largest difference between chunks (model units) of the adapted model, of it merged, and of its base. */
export async function compareMerged(
	base: PolicyModel,
	threads: number,
): Promise<{ readonly mergedChunkDifference: number; readonly adapterChunkDifference: number }> {
	const adapted = adaptFullSize(base);
	const { config, vlm } = base;
	const dims = modelDims(config, vlm);
	const stream = rng("bench", "merge");
	const noise = Float32Array.from({ length: dims.chunkSize * dims.maxActionDim }, () => stream.normal());
	const chunkOf = async (model: PolicyModel): Promise<Float32Array> => {
		await using runtime = await createOrtRuntime({ threads });
		const graphs = buildSamplerGraphs(model, { batchSize: 1, cameras: CAMERAS, from: "prefixKv" });
		const sessions = {
			prefill: await runtime.compile(graphs.prefill),
			denoise: await runtime.compile(graphs.denoise),
		};
		const observation = new Map([...randomFeeds(graphs.denoise), ...randomFeeds(graphs.prefill)]);
		const run = (graph: keyof typeof sessions, feeds: ReadonlyMap<string, NdArray>) =>
			sessions[graph].run(feeds);
		return await denoise({ config, dims, graphs, run }, observation, { noise });
	};
	const unmerged = await chunkOf(adapted);
	const merged = await chunkOf({ config, vlm, tensors: mergedTensors(adapted) });
	const plain = await chunkOf(base);
	const gap = (other: Float32Array): number =>
		unmerged.reduce(
			(worst, value, index) => Math.max(worst, Math.abs(value - (other[index] ?? Number.NaN))),
			0,
		);
	return { mergedChunkDifference: gap(merged), adapterChunkDifference: gap(plain) };
}
