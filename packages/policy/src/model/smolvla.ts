// The whole policy, top to bottom: pixels -> image tokens -> prefix keys and values -> state row -> expert -> loss.
// Prefix rows never see state or actions, so joint attention over prefix and actions is never run: each stage reads
// the one before through keys and values, and a cache may stand in for stages 1 and 2.
import { createGraph, type Graph, type GraphBuilder, type Value } from "@zk0/autodiff";
import type { ModelDims } from "../config/dims.ts";
import { PolicyError } from "../errors.ts";
import { FEED } from "../inputs/feeds.ts";
import { type PrefixLayout, type PrefixOptions, prefixLayout } from "../inputs/prefix-layout.ts";
import { checkAdapter } from "../lora/adapter.ts";
import { checkTensors } from "../weights/tensor-source.ts";
import { embedState, embedSuffix, expertMemory, expertTrunk, velocityHead } from "./expert.ts";
import { type FlowLoss, flowLoss } from "./flow.ts";
import { embedPrefix, prefixStage, stateStage } from "./language.ts";
import type { KeyValue } from "./llama.ts";
import { dimsOf, hasFrozenPrefix, imageTokensOf, type PolicyModel, trainedNames } from "./policy-model.ts";
import { type RotaryTables, rotaryTables } from "./rotary.ts";
import { visionStage } from "./vision.ts";
import { graphWeights, type Weights } from "./weights.ts";

/** Which frozen stage's output is fed instead of computed. */
export type PrefixFeed = "images" | "imageTokens" | "prefixKv";

/** Static properties of a graph. */
export interface GraphOptions extends PrefixOptions {
	readonly batchSize: number;
	/**
	 * What stands for the observation: pixels (default), image tokens `image_tokens` `[B, C, T, textWidth]`, or the
	 * keys and values `prefix_key.<layer>`, `prefix_value.<layer>` `[B, kvHeads, P, headDim]` of stage 2.
	 */
	readonly from?: PrefixFeed;
}

/** A graph under construction with everything its stages need. */
export interface StageContext {
	readonly graph: GraphBuilder;
	readonly model: PolicyModel;
	readonly dims: ModelDims;
	readonly layout: PrefixLayout;
	readonly weights: Weights;
	readonly tables: RotaryTables;
	readonly batchSize: number;
	readonly from: PrefixFeed;
}

/**
 * Opens a graph of `model`; tensors named in `parameters` become parameters, all others initializers.
 * @throws PolicyError missing-tensor | wrong-shape | unsupported | bad-config | no-camera
 */
export function openStages(
	model: PolicyModel,
	options: GraphOptions,
	parameters: ReadonlySet<string>,
): StageContext {
	checkTensors(model.tensors, model.config, model.vlm);
	if (model.adapter !== undefined) checkAdapter(model.tensors, model.adapter, model);
	const dims = dimsOf(model);
	const layout = prefixLayout(model.config, dims, options);
	const from = options.from ?? "images";
	if (from !== "images" && !hasFrozenPrefix(model)) {
		// Freezing the vision tower alone is not enough: the connector is trained with the rest of the backbone.
		throw new PolicyError(
			"unsupported",
			`${from} cannot be fed: the configuration trains what computes them`,
			{
				key: "train_expert_only",
			},
		);
	}
	const graph = createGraph();
	const numPositions = layout.numTokens + 1 + dims.chunkSize;
	return {
		graph,
		model,
		dims,
		layout,
		weights: graphWeights(graph, model.tensors, {
			trained: new Set(trainedNames(model)),
			parameters,
			adapter: model.adapter,
		}),
		tables: rotaryTables(graph, numPositions, dims.text.headDim),
		batchSize: options.batchSize,
		from,
	};
}

/** Image tokens `[B, C, tokensPerImage, textWidth]`, computed or fed. */
export function imageTokenValues(stages: StageContext): Value {
	const { graph, batchSize, dims, layout, weights } = stages;
	const { vision, text } = dims;
	const numCameras = layout.cameras.length;
	if (stages.from === "imageTokens") {
		return graph.input("image_tokens", "float32", [batchSize, numCameras, vision.tokensPerImage, text.width]);
	}
	const pixels = [batchSize, numCameras, 3, vision.imageHeight, vision.imageWidth];
	return visionStage(weights, graph.input(FEED.images, "float32", pixels), vision);
}

/** What stage 2 leaves for stage 3. */
export interface PrefixValues {
	readonly layers: readonly KeyValue[];
	/** float32 `[B, P]`. */
	readonly bias: Value;
	/** `[B, P, textWidth]`; null when keys and values were fed. */
	readonly embeddings: Value | null;
	readonly imageTokens: Value | null;
}

/** Keys and values of image and language tokens at every layer, computed or fed. */
export function prefixValues(stages: StageContext): PrefixValues {
	const { graph, batchSize, dims, layout, weights, model } = stages;
	const shape = [batchSize, layout.numTokens];
	const bias = graph.input(FEED.prefixBias, "float32", shape);
	if (stages.from === "prefixKv") {
		const { numKvHeads, headDim, numLayers } = dims.text;
		const kvShape = [batchSize, numKvHeads, layout.numTokens, headDim];
		const layers = Array.from({ length: numLayers }, (_, layer) => ({
			key: graph.input(`prefix_key.${layer}`, "float32", kvShape),
			value: graph.input(`prefix_value.${layer}`, "float32", kvShape),
		}));
		return { layers, bias, embeddings: null, imageTokens: null };
	}
	const imageTokens = imageTokenValues(stages);
	const languageIds = graph.input(FEED.languageIds, "int64", [batchSize, layout.languageLength]);
	const tokens = { imageTokens, languageIds, layout, special: imageTokensOf(model) };
	const embeddings = embedPrefix(weights, tokens, dims.text);
	const positions = graph.input(FEED.prefixPositions, "int64", shape);
	const layers = prefixStage(weights, embeddings, { bias, positions }, dims, stages.tables);
	return { layers, bias, embeddings, imageTokens };
}

/** The prefix with the state token's keys and values appended. */
export function stateValues(stages: StageContext, prefix: PrefixValues): KeyValue[] {
	const { graph, batchSize, dims, weights, tables } = stages;
	const state = graph.input(FEED.state, "float32", [batchSize, dims.maxStateDim]);
	const positions = graph.input(FEED.statePositions, "int64", [batchSize, 1]);
	return stateStage(weights, { embedding: embedState(weights, state), positions }, prefix, dims, tables);
}

/** Intermediate and final values of one velocity prediction. */
export interface VelocityValues {
	/** `[B, S, expertWidth]`. */
	readonly suffix: Value;
	/** `[B, S, expertWidth]`. */
	readonly expertOut: Value;
	/** `[B, S, maxActionDim]`. */
	readonly velocity: Value;
}

/** The velocity of fed noisy actions, given what the expert reads of the prefix. */
export function velocityValues(
	stages: StageContext,
	memory: readonly (KeyValue | null)[],
	bias: Value,
): VelocityValues {
	const { graph, batchSize, dims, weights, tables } = stages;
	const { chunkSize, maxActionDim, expert } = dims;
	const noisy = graph.input(FEED.noisyActions, "float32", [batchSize, chunkSize, maxActionDim]);
	const time = graph.input(FEED.timeEmbedding, "float32", [batchSize, expert.width]);
	const positions = graph.input(FEED.suffixPositions, "int64", [batchSize, chunkSize]);
	const suffix = embedSuffix(weights, noisy, time, dims);
	const expertOut = expertTrunk(weights, { suffix, memory, bias, positions }, dims, tables);
	return { suffix, expertOut, velocity: velocityHead(weights, expertOut) };
}

/** Every value of a forward pass with loss that a check may look at. */
export interface ForwardValues extends FlowLoss, VelocityValues {
	readonly prefix: PrefixValues;
	/** With the state's row appended. */
	readonly keyValues: readonly KeyValue[];
}

/** All three stages and the loss. */
export function composeForward(stages: StageContext): ForwardValues {
	const { graph, batchSize, dims, weights } = stages;
	const { chunkSize, maxActionDim } = dims;
	const prefix = prefixValues(stages);
	const keyValues = stateValues(stages, prefix);
	const predicted = velocityValues(stages, expertMemory(weights, keyValues, dims), prefix.bias);
	const target = graph.input(FEED.velocity, "float32", [batchSize, chunkSize, maxActionDim]);
	const valid = graph.input(FEED.valid, "float32", [batchSize, chunkSize]);
	return { prefix, keyValues, ...predicted, ...flowLoss(predicted.velocity, target, valid, dims) };
}

/**
 * Forward and backward: outputs `loss`, `loss_per_sample` `[B]` and `grad:<name>` of every trained tensor, which are
 * the graph's parameters. Fed with what `prepareBatch` returns.
 * @throws PolicyError missing-tensor | wrong-shape | unsupported | bad-config | no-camera
 */
export function buildTrainGraph(model: PolicyModel, options: GraphOptions): Graph {
	const trained = new Set(trainedNames(model));
	const stages = openStages(model, options, trained);
	const { graph, weights } = stages;
	const { loss, lossPerSample } = composeForward(stages);
	graph.output("loss", loss);
	graph.output("loss_per_sample", lossPerSample);
	const names = [...trained];
	graph
		.gradients(
			loss,
			names.map((name) => weights.get(name)),
		)
		.forEach((gradient, index) => {
			graph.output(`grad:${names[index]}`, gradient);
		});
	return graph.build();
}

/** How a graph without gradients gets the trained tensors. */
export interface EvalGraphOptions extends GraphOptions {
	/**
	 * True: as parameters, so that a trainer's current weights are used; false (default): as initializers, the model's
	 * own weights.
	 */
	readonly parameters?: boolean;
}

/** Opens a graph without gradients. */
export function openEvalStages(model: PolicyModel, options: EvalGraphOptions): StageContext {
	return openStages(model, options, options.parameters === true ? new Set(trainedNames(model)) : new Set());
}

/**
 * Forward only: outputs `loss` and `loss_per_sample` `[B]`; the same values as the training graph's.
 * @throws PolicyError as {@link buildTrainGraph}
 */
export function buildLossGraph(model: PolicyModel, options: EvalGraphOptions): Graph {
	const stages = openEvalStages(model, options);
	const { loss, lossPerSample } = composeForward(stages);
	stages.graph.output("loss", loss);
	stages.graph.output("loss_per_sample", lossPerSample);
	return stages.graph.build();
}
