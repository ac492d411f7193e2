// The tensors a SmolVLA checkpoint must have, and which of them are trained (spec of SmolVLA §9, §10).
// Order: LeRobot's modules, top to bottom.
import type { Shape } from "@zk0/arrays";
import { type ModelDims, modelDims, projectsPrefixKv } from "../config/dims.ts";
import type { SmolVLAConfig } from "../config/policy-config.ts";
import type { VlmConfig } from "../config/vlm-config.ts";
import {
	CONNECTOR,
	EMBED_TOKENS,
	EXPERT_PREFIX,
	expertLayerPrefix,
	type HeadName,
	headPrefix,
	LM_HEAD,
	TEXT_PREFIX,
	textLayerPrefix,
	VISION_PREFIX,
	VLM_PREFIX,
	visionLayerPrefix,
} from "./tensor-names.ts";

type Row = readonly [name: string, shape: Shape];

function affine(name: string, shape: Shape): Row[] {
	return [
		[`${name}.weight`, shape],
		[`${name}.bias`, shape.slice(0, 1)],
	];
}

function visionRows({ vision }: ModelDims): Row[] {
	const { width, mlpWidth, patchSize, tableSide } = vision;
	const rows: Row[] = [
		...affine(`${VISION_PREFIX}embeddings.patch_embedding`, [width, 3, patchSize, patchSize]),
		[`${VISION_PREFIX}embeddings.position_embedding.weight`, [tableSide ** 2, width]],
	];
	for (let index = 0; index < vision.numLayers; index++) {
		const prefix = visionLayerPrefix(index);
		for (const name of ["k_proj", "v_proj", "q_proj", "out_proj"]) {
			rows.push(...affine(`${prefix}self_attn.${name}`, [width, width]));
		}
		rows.push(...affine(`${prefix}layer_norm1`, [width]));
		rows.push(...affine(`${prefix}mlp.fc1`, [mlpWidth, width]));
		rows.push(...affine(`${prefix}mlp.fc2`, [width, mlpWidth]));
		rows.push(...affine(`${prefix}layer_norm2`, [width]));
	}
	rows.push(...affine(`${VISION_PREFIX}post_layernorm`, [width]));
	return rows;
}

interface LlamaLayer {
	readonly prefix: string;
	readonly width: number;
	readonly mlpWidth: number;
	/** Width of what the key and value projections read. */
	readonly kvInput: number;
}

function llamaRows({ text }: ModelDims, { prefix, width, mlpWidth, kvInput }: LlamaLayer): Row[] {
	const queryWidth = text.numHeads * text.headDim;
	const kvWidth = text.numKvHeads * text.headDim;
	return [
		[`${prefix}self_attn.q_proj.weight`, [queryWidth, width]],
		[`${prefix}self_attn.k_proj.weight`, [kvWidth, kvInput]],
		[`${prefix}self_attn.v_proj.weight`, [kvWidth, kvInput]],
		[`${prefix}self_attn.o_proj.weight`, [width, queryWidth]],
		[`${prefix}mlp.gate_proj.weight`, [mlpWidth, width]],
		[`${prefix}mlp.up_proj.weight`, [mlpWidth, width]],
		[`${prefix}mlp.down_proj.weight`, [width, mlpWidth]],
		[`${prefix}input_layernorm.weight`, [width]],
		[`${prefix}post_attention_layernorm.weight`, [width]],
	];
}

function textRows(dims: ModelDims): Row[] {
	const { width, mlpWidth, numLayers, vocabSize } = dims.text;
	const { vision } = dims;
	const rows: Row[] = [
		[CONNECTOR, [width, vision.width * vision.scaleFactor ** 2]],
		[EMBED_TOKENS, [vocabSize, width]],
	];
	for (let index = 0; index < numLayers; index++) {
		rows.push(...llamaRows(dims, { prefix: textLayerPrefix(index), width, mlpWidth, kvInput: width }));
	}
	rows.push([`${TEXT_PREFIX}norm.weight`, [width]], [LM_HEAD, [vocabSize, width]]);
	return rows;
}

function expertRows(config: SmolVLAConfig, dims: ModelDims): Row[] {
	const { width, mlpWidth, numLayers } = dims.expert;
	const kvWidth = dims.text.numKvHeads * dims.text.headDim;
	const rows: Row[] = [];
	for (let index = 0; index < numLayers; index++) {
		const kvInput = projectsPrefixKv(config, index) ? kvWidth : width;
		rows.push(...llamaRows(dims, { prefix: expertLayerPrefix(index), width, mlpWidth, kvInput }));
	}
	rows.push([`${EXPERT_PREFIX}norm.weight`, [width]]);
	return rows;
}

function headRows({ text, expert, maxStateDim, maxActionDim }: ModelDims): Row[] {
	const shapes: Record<HeadName, Shape> = {
		state_proj: [text.width, maxStateDim],
		action_in_proj: [expert.width, maxActionDim],
		action_out_proj: [maxActionDim, expert.width],
		action_time_mlp_in: [expert.width, 2 * expert.width],
		action_time_mlp_out: [expert.width, expert.width],
	};
	return [
		...affine(headPrefix("state_proj"), shapes.state_proj),
		...affine(headPrefix("action_in_proj"), shapes.action_in_proj),
		...affine(headPrefix("action_out_proj"), shapes.action_out_proj),
		...affine(headPrefix("action_time_mlp_in"), shapes.action_time_mlp_in),
		...affine(headPrefix("action_time_mlp_out"), shapes.action_time_mlp_out),
	];
}

/** Name and shape of every tensor of the model's checkpoint. @throws PolicyError unsupported | bad-config */
export function tensorShapes(config: SmolVLAConfig, vlm: VlmConfig): Map<string, Shape> {
	const dims = modelDims(config, vlm);
	return new Map([...visionRows(dims), ...textRows(dims), ...expertRows(config, dims), ...headRows(dims)]);
}

/** Prefixes and names of backbone tensors that stay frozen although `train_expert_only` is false. */
function frozenBackbone(config: SmolVLAConfig, dims: ModelDims): string[] {
	const last = dims.text.numLayers - 1;
	const frozen = [LM_HEAD, `${TEXT_PREFIX}norm.weight`, textLayerPrefix(last)];
	if (dims.text.numLayers !== dims.expert.numLayers) frozen.push(textLayerPrefix(last - 1));
	if (config.freeze_vision_encoder) frozen.push(VISION_PREFIX);
	return frozen;
}

/** Names of the tensors that training changes, in checkpoint order. @throws PolicyError unsupported | bad-config */
export function trainableNames(config: SmolVLAConfig, vlm: VlmConfig): string[] {
	const dims = modelDims(config, vlm);
	const frozen = config.train_expert_only ? [VLM_PREFIX] : frozenBackbone(config, dims);
	if (!config.train_state_proj) frozen.push(headPrefix("state_proj"));
	return [...tensorShapes(config, vlm).keys()].filter(
		(name) => !frozen.some((prefix) => name.startsWith(prefix)),
	);
}
