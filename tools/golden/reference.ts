// Reads a golden directory: configuration, batch, reference values. Everything is derived from golden.json and the
// tensors, so that directories of other dimensions work without a change here.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type NdArray, toFloat32 } from "@zk0/arrays";
import { openSafetensors, type SafetensorsFile } from "@zk0/arrays/node";
import {
	fileTensors,
	overlayTensors,
	type PolicyModel,
	parsePolicyConfig,
	parseVlmConfig,
	readAdapterConfig,
	readStoredAdapter,
	type SmolVLAConfig,
	type VlmConfig,
} from "@zk0/policy";
import { z } from "zod";

const traceEntry = z.looseObject({
	step: z.number(),
	loss: z.number(),
	grad_norm_before_clip: z.number().optional(),
	lr_used: z.number().optional(),
});
/** One step of an AdamW trace. */
export type TraceEntry = z.infer<typeof traceEntry>;

const goldenJson = z.looseObject({
	config: z.looseObject({
		vision: z.record(z.string(), z.unknown()),
		text: z.record(z.string(), z.unknown()),
		scale_factor: z.number(),
		fake: z.number().optional(),
		glob: z.number().optional(),
		policy: z.record(z.string(), z.unknown()),
		state_dim: z.number(),
		action_dim: z.number(),
		cams: z.record(z.string(), z.array(z.number())),
		missing: z.array(z.string()).default([]),
	}),
	loss: z.number(),
	loss_without_pad_mask: z.number().optional(),
	trainable_names: z.array(z.string()).optional(),
	sched: z
		.object({ warmup: z.number(), decay: z.number(), decay_lr: z.number(), clip: z.number() })
		.optional(),
	rtc: z
		.object({
			inference_delay: z.number(),
			execution_horizon: z.number(),
			schedule: z.enum(["ZEROS", "ONES", "LINEAR", "EXP"]),
			max_guidance_weight: z.number(),
		})
		.optional(),
});
/** Contents of golden.json that the checks use. */
export type GoldenJson = z.infer<typeof goldenJson>;

/** A golden directory in memory; holds model.safetensors open. */
export interface Reference extends Disposable {
	readonly json: GoldenJson;
	/** AdamW traces by their key in golden.json. */
	readonly traces: ReadonlyMap<string, readonly TraceEntry[]>;
	readonly model: PolicyModel;
	readonly file: SafetensorsFile;
	/** golden.safetensors. */
	readonly tensors: ReadonlyMap<string, NdArray>;
	/** grads.safetensors, without the prefix `grad.`. */
	readonly gradients: ReadonlyMap<string, NdArray>;
	/** Trained tensors, from golden.json or else those that have a gradient. */
	readonly trainedNames: readonly string[];
	/** params_after_3_steps.safetensors; empty when the file is absent. */
	readonly trained: ReadonlyMap<string, NdArray>;
}

function policyConfig({ config }: GoldenJson): SmolVLAConfig {
	const cameras = [...Object.entries(config.cams), ...config.missing.map((key) => [key, [64, 64]] as const)];
	const features = cameras.map(([key, size]) => [key, { type: "VISUAL", shape: [3, ...size] }]);
	return parsePolicyConfig({
		...config.policy,
		input_features: {
			"observation.state": { type: "STATE", shape: [config.state_dim] },
			...Object.fromEntries(features),
		},
		output_features: { action: { type: "ACTION", shape: [config.action_dim] } },
	});
}

/** golden.json says nothing of the text model's eps; the reference runs use SmolVLM2's 1e-5. */
function vlmConfig({ config }: GoldenJson): VlmConfig {
	return parseVlmConfig({
		scale_factor: config.scale_factor,
		vision_config: config.vision,
		text_config: { rms_norm_eps: 1e-5, ...config.text },
	});
}

function readArrays(path: string): Map<string, NdArray> {
	using file = openSafetensors(path);
	return new Map([...file.entries.keys()].map((name) => [name, file.read(name)]));
}

/** What an adapter's directory takes from the one below it: model, batch and what is made of them before the adapter. */
const SHARED_TENSORS = /^(batch|prep)\.|^rtc\.prev/;

function readDocument(directory: string): Record<string, unknown> {
	const json: unknown = JSON.parse(readFileSync(join(directory, "golden.json"), "utf8"));
	return z.record(z.string(), z.unknown()).parse(json);
}

/** Reads a directory laid out like golden/smolvla-a, or like golden/smolvla-a-lora. */
export async function readReference(directory: string): Promise<Reference> {
	const own = readDocument(directory);
	const base = typeof own["base"] === "string" ? join(directory, own["base"]) : null;
	const json = goldenJson.parse(base === null ? own : { config: readDocument(base)["config"], ...own });
	const traces = Object.entries(own).filter(([key]) => key.startsWith("adamw_"));
	const config = policyConfig(json);
	const vlm = vlmConfig(json);
	const { fake, glob } = json.config;
	const stored = readArrays(join(directory, "grads.safetensors"));
	const gradients = new Map([...stored].map(([name, array]) => [name.replace(/^grad\./, ""), array]));
	const after = join(directory, "params_after_3_steps.safetensors");
	const shared = base === null ? [] : [...readArrays(join(base, "golden.safetensors"))];
	const file = openSafetensors(join(base ?? directory, "model.safetensors"));
	const imageTokens = fake === undefined || glob === undefined ? null : { fake, global: glob };
	const full: PolicyModel = { config, vlm, tensors: fileTensors(file), imageTokens };
	return {
		json,
		traces: new Map(traces.map(([key, trace]) => [key, z.array(traceEntry).parse(trace)])),
		model: base === null ? full : await adapted(full, directory),
		file,
		tensors: new Map([
			...shared.filter(([name]) => SHARED_TENSORS.test(name)),
			...readArrays(join(directory, "golden.safetensors")),
		]),
		gradients,
		trainedNames: json.trainable_names ?? [...gradients.keys()],
		trained: existsSync(after) ? readArrays(after) : new Map(),
		[Symbol.dispose]: () => file[Symbol.dispose](),
	};
}

async function adapted(model: PolicyModel, directory: string): Promise<PolicyModel> {
	const { adapter, arrays } = await readStoredAdapter(directory, await readAdapterConfig(directory), model);
	return { ...model, adapter, tensors: overlayTensors(model.tensors, arrays) };
}

/** A reference tensor as float32. @throws RangeError when the directory lacks it */
export function referenceFloats(reference: Reference, name: string): Float32Array {
	const array = reference.tensors.get(name);
	if (array === undefined) throw new RangeError(`golden.safetensors has no tensor ${name}`);
	return toFloat32(array);
}
