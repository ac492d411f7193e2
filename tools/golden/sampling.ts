// sample_actions, plain and guided by real-time chunking, against the reference.
import type { OrtRuntime } from "@zk0/autodiff/node";
import { buildSamplerGraphs, denoise, type RtcGuidance, type SamplerSetup } from "@zk0/policy";
import { type Check, maxAbsError } from "./errors.ts";
import type { GoldenBatch } from "./feeds.ts";
import { graphOptions } from "./outputs.ts";
import { type Reference, referenceFloats } from "./reference.ts";

const ACTION_LIMIT = 1e-4;

function guidanceOf(reference: Reference): RtcGuidance | undefined {
	const { rtc } = reference.json;
	const previous = reference.tensors.get("rtc.prev_chunk_left_over");
	if (rtc === undefined || previous === undefined) return undefined;
	const [, previousLength = 0, previousDim = 0] = previous.shape;
	return {
		previous: referenceFloats(reference, "rtc.prev_chunk_left_over"),
		previousLength,
		previousDim,
		inferenceDelay: rtc.inference_delay,
		executionHorizon: rtc.execution_horizon,
		schedule: rtc.schedule,
		maxGuidanceWeight: rtc.max_guidance_weight,
	};
}

/** Whatever sampled actions the directory has; none for models that the reference cannot sample. */
export async function* samplingChecks(
	reference: Reference,
	batch: GoldenBatch,
	runtime: OrtRuntime,
): AsyncGenerator<Check> {
	const graphs = buildSamplerGraphs(reference.model, graphOptions(batch));
	await using prefill = await runtime.compile(graphs.prefill);
	await using velocity = await runtime.compile(graphs.denoise);
	const setup: SamplerSetup = {
		config: reference.model.config,
		dims: batch.dims,
		graphs,
		run: (graph, feeds) => (graph === "prefill" ? prefill : velocity).run(feeds),
	};
	const { noise, feeds } = batch;
	const compare = async (name: string, tensor: string, rtc?: RtcGuidance): Promise<Check> => {
		const actions = await denoise(setup, feeds, rtc === undefined ? { noise } : { noise, rtc });
		const error = maxAbsError(actions, referenceFloats(reference, tensor));
		return { name, error, limit: ACTION_LIMIT, measure: "max abs error" };
	};
	if (reference.tensors.has("out.sample_actions"))
		yield await compare("sample_actions", "out.sample_actions");
	const guidance = guidanceOf(reference);
	if (guidance !== undefined && reference.tensors.has("rtc.sample_actions")) {
		yield await compare("sample_actions with real-time chunking", "rtc.sample_actions", guidance);
	}
}
