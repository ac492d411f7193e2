// Whether a training step is the same from pixels, from image tokens and from keys and values of the prefix: one sample
// through the three graphs, on the same weights, noise and time.
import { type NamedArrays, type NdArray, toFloat32 } from "@zk0/arrays";
import { feedsOf, type Graph } from "@zk0/autodiff";
import type { OrtRuntime } from "@zk0/autodiff/node";
import { buildTrainGraph, composeForward, openStages, type PrefixFeed } from "@zk0/policy";
import { randomFeeds } from "../arithmetic.ts";
import { CAMERAS, type FullSizeModel } from "./model.ts";

const SHAPE = { batchSize: 1, cameras: CAMERAS };

/** Stages 1 and 2 with their outputs under the names that the train graphs take them by. */
function prefixGraph({ model }: FullSizeModel): Graph {
	const stages = openStages(model, SHAPE, new Set());
	const { layers, imageTokens } = composeForward(stages).prefix;
	if (imageTokens !== null) stages.graph.output("image_tokens", imageTokens);
	for (const [layer, { key, value }] of layers.entries()) {
		stages.graph.output(`prefix_key.${layer}`, key);
		stages.graph.output(`prefix_value.${layer}`, value);
	}
	return stages.graph.build();
}

async function runOnce(runtime: OrtRuntime, graph: Graph, feeds: NamedArrays): Promise<Map<string, NdArray>> {
	await using session = await runtime.compile(graph);
	const wanted = feedsOf(graph);
	return await session.run(new Map([...feeds].filter(([name]) => wanted.has(name))));
}

/**
 * `lossDifference`: largest relative difference of the loss from that of pixels; `gradientDifference`: largest relative
 * L2 difference of a tensor's gradient, for a gradient below 1e-5 of the total norm relative to that.
 */
export async function comparePrefixFeeds(
	runtime: OrtRuntime,
	full: FullSizeModel,
): Promise<{ lossDifference: number; gradientDifference: number }> {
	const train = (from: PrefixFeed): Graph => buildTrainGraph(full.model, { ...SHAPE, from });
	const pixels = train("images");
	const feeds = randomFeeds(pixels, new Set(full.trained));
	for (const name of full.trained) feeds.set(name, full.file.readFloat32(name));
	for (const [name, array] of await runOnce(runtime, prefixGraph(full), feeds)) feeds.set(name, array);
	const expected = await runOnce(runtime, pixels, feeds);
	const totalNorm = Math.hypot(...full.trained.map((name) => norm(gradientOf(expected, name))));
	let [lossDifference, gradientDifference] = [0, 0];
	for (const from of ["imageTokens", "prefixKv"] as const) {
		const found = await runOnce(runtime, train(from), feeds);
		const [loss, reference] = [lossOf(found), lossOf(expected)];
		lossDifference = Math.max(lossDifference, Math.abs(loss - reference) / Math.abs(reference));
		for (const name of full.trained) {
			const [gradient, wanted] = [gradientOf(found, name), gradientOf(expected, name)];
			const distance = norm(gradient.map((value, index) => value - (wanted[index] ?? Number.NaN)));
			const relative = distance / Math.max(norm(wanted), 1e-5 * totalNorm);
			gradientDifference = Math.max(gradientDifference, relative);
		}
	}
	return { lossDifference, gradientDifference };
}

function lossOf(outputs: NamedArrays): number {
	return Number(outputs.get("loss")?.data[0]);
}

function gradientOf(outputs: NamedArrays, name: string): Float32Array {
	const gradient = outputs.get(`grad:${name}`);
	if (gradient === undefined) throw new RangeError(`compare: no gradient of ${name}`);
	return toFloat32(gradient);
}

function norm(values: Float32Array): number {
	let sum = 0;
	for (const value of values) sum += value * value;
	return Math.sqrt(sum);
}
