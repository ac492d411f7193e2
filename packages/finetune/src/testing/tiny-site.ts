// A policy of a few thousand weights and recordings of a few dozen frames, so that tests train for real in seconds.
// The recorded arm follows a goal that is drawn in the picture and depends on the sentence.
import { join } from "node:path";
import { rng } from "@zk0/arrays";
import { createOrtRuntime } from "@zk0/autodiff/node";
import { createDatasetWriter, openDataset } from "@zk0/dataset";
import {
	initWeights,
	memoryTensors,
	type PolicyModel,
	parsePolicyConfig,
	parseVlmConfig,
	type Tokenizer,
	trainableNames,
} from "@zk0/policy";
import type { Learning } from "../learning.ts";
import { createPolicyEngine, type PolicyEngine } from "../policy-engine.ts";
import { openPrefixCache, type PrefixCache } from "../prefix-cache/prefix-cache.ts";
import { createSite, type Site, type SiteOptions } from "../site.ts";

/** Side of the pictures the policy sees, and of the recorded ones (encoders take no smaller). */
const SIDE = 16;
const RECORDED_SIDE = 64;
const VOCABULARY = 40;

const JOINTS = ["pan.pos", "lift.pos", "gripper.pos"] as const;

/** The tiny policy's configuration; `overrides` are LeRobot keys. */
export function tinyModel(overrides: Readonly<Record<string, unknown>> = {}, seed = 1): PolicyModel {
	const image = { type: "VISUAL", shape: [3, SIDE, SIDE] };
	const config = parsePolicyConfig({
		input_features: {
			"observation.state": { type: "STATE", shape: [JOINTS.length] },
			"observation.images.top": image,
			"observation.images.wrist": image,
		},
		output_features: { action: { type: "ACTION", shape: [JOINTS.length] } },
		push_to_hub: false,
		chunk_size: 4,
		n_action_steps: 4,
		max_state_dim: 4,
		max_action_dim: 4,
		resize_imgs_with_padding: [SIDE, SIDE],
		tokenizer_max_length: 6,
		num_steps: 3,
		num_vlm_layers: 2,
		...overrides,
	});
	const vlm = parseVlmConfig({
		scale_factor: 2,
		vision_config: {
			hidden_size: 8,
			intermediate_size: 16,
			num_hidden_layers: 1,
			num_attention_heads: 2,
			image_size: SIDE,
			patch_size: 4,
			initializer_range: 0.2,
		},
		text_config: {
			hidden_size: 16,
			intermediate_size: 16,
			num_hidden_layers: 2,
			num_attention_heads: 2,
			num_key_value_heads: 1,
			vocab_size: VOCABULARY,
			initializer_range: 0.2,
		},
	});
	return { config, vlm, tensors: memoryTensors(initWeights(config, vlm, seed)) };
}

/** One token per word: its letters summed up. */
export const tinyTokenizer: Tokenizer = {
	encode: (text) => ({
		ids: text
			.trim()
			.split(/\s+/)
			.map(
				(word) =>
					3 + (Array.from(word).reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % (VOCABULARY - 3)),
			),
	}),
	decode: (ids) => ids.join(" "),
	padId: 2,
	imageTokens: null,
	idOf: () => undefined,
};

/** The model's trained tensors as it starts. */
export function tinyWeights(
	model: PolicyModel,
): Map<string, ReturnType<PolicyModel["tensors"]["readFloat32"]>> {
	return new Map(
		trainableNames(model.config, model.vlm).map((name) => [name, model.tensors.readFloat32(name)]),
	);
}

/** Hyper-parameters that make the tiny policy learn in tens of steps. */
export const tinyLearning: Learning = {
	batchSize: 4,
	peakLr: 5e-3,
	warmupSteps: 2,
	decaySteps: 1000,
	decayLr: 1e-4,
	betas: [0.9, 0.95],
	eps: 1e-8,
	weightDecay: 0,
	gradClipNorm: 10,
	keepOptimizerState: false,
};

/** What a tiny recording may differ in. */
export interface TinyRecording {
	readonly episodes?: number;
	readonly length?: number;
	readonly seed?: number;
	readonly cameras?: readonly string[];
	readonly joints?: readonly string[];
	readonly tasks?: readonly string[];
}

/** Records a dataset at `dir`; every episode moves from a random pose towards a goal of its task. */
export async function recordTiny(dir: string, recording: TinyRecording = {}): Promise<void> {
	const { episodes = 5, length = 8, seed = 0, joints = JOINTS, tasks = ["Go left", "Go right"] } = recording;
	const cameras = recording.cameras ?? ["observation.images.top", "observation.images.wrist"];
	await using writer = await createDatasetWriter(dir, {
		fps: 10,
		robotType: "tiny",
		stateNames: joints,
		actionNames: joints,
		cameras: cameras.map((key) => ({ key, height: RECORDED_SIDE, width: RECORDED_SIDE })),
		codec: "h264",
	});
	for (let episode = 0; episode < episodes; episode++) {
		const random = rng(seed, "tiny", episode);
		const task = tasks[episode % tasks.length] ?? "";
		const goal = (episode % tasks.length === 0 ? -1 : 1) * (20 + 10 * random.uniform());
		const states = new Float32Array(length * joints.length);
		const actions = new Float32Array(length * joints.length);
		const pose = joints.map(() => 10 * random.normal());
		for (let frame = 0; frame < length; frame++) {
			for (let joint = 0; joint < joints.length; joint++) {
				const at = frame * joints.length + joint;
				states[at] = pose[joint] ?? 0;
				pose[joint] = (pose[joint] ?? 0) + 0.4 * (goal - (pose[joint] ?? 0));
				actions[at] = pose[joint] ?? 0;
			}
		}
		const brightness = Math.round(128 + 3 * goal);
		const picture = new Uint8Array(RECORDED_SIDE ** 2 * 3).fill(brightness);
		const images = new Map(cameras.map((key) => [key, Array.from({ length }, () => picture)]));
		await writer.addEpisode({ task, states, actions, images });
	}
	await writer.finish();
}

/** A site on a tiny recording at `<dir>/<name>`, which is made unless it was `recorded` before. */
export async function tinySite(
	dir: string,
	model: PolicyModel,
	options: Partial<SiteOptions> & { readonly recording?: TinyRecording; readonly recorded?: boolean } = {},
): Promise<Site> {
	const { recording = {}, recorded = false, name = "lab", ...rest } = options;
	const root = join(dir, name);
	if (!recorded) await recordTiny(root, recording);
	return await createSite({
		name,
		dataset: await openDataset(root),
		policy: { ...model, tokenizer: tinyTokenizer },
		decodeProcesses: 1,
		...rest,
	});
}

/** An engine of the model with a runtime of its own. */
export async function tinyEngine(
	model: PolicyModel,
	threads = 1,
	cache: PrefixCache | null = null,
): Promise<PolicyEngine> {
	return createPolicyEngine(await createOrtRuntime({ threads }), model, cache);
}

/** A cache in `dir`, so that a suite decodes and encodes every frame once. */
export function tinyCache(model: PolicyModel, dir: string): Promise<PrefixCache> {
	return openPrefixCache({ model, level: "kv", dir: join(dir, "prefix"), budgetBytes: 2 ** 28 });
}
