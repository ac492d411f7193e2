// AdamW traces: losses over several optimizer steps, learning rates, weights at the end.
//
// Adam divides by the size of the gradient. A weight whose gradient is smaller than the rounding errors of float32
// moves by whole learning rates in a direction that rounding decides, and a later loss may show it. Where a trace
// misses its limit, it is therefore run again from weights changed in their last bit; what that alone does to the loss
// is added to the limit, and the line says so.
import { type NdArray, rng } from "@zk0/arrays";
import { type Graph, learningRateAt, type Trainer } from "@zk0/autodiff";
import type { OrtRuntime } from "@zk0/autodiff/node";
import { buildLossGraph } from "@zk0/policy";
import { type Check, relativeError, relativeL2 } from "./errors.ts";
import type { GoldenBatch } from "./feeds.ts";
import { floatsOf, graphOptions, scalarOf } from "./outputs.ts";
import type { Reference, TraceEntry } from "./reference.ts";

const TRACE_LIMIT = 1e-4;
/** Weights with tiny gradients differ by whole steps, so this is no tight check. */
const PARAMETER_LIMIT = 2e-3;
/** Reruns from weights changed by about one unit in the last place, and how many times their spread is allowed. */
const NUM_RERUNS = 4;
const LAST_BIT = 1e-7;
const SPREAD_FACTOR = 3;

/** Clipping norm of a trace: in its name (`…clip0.5`), else the configuration's. */
function clipNormOf(reference: Reference, key: string): number {
	const named = /clip([\d.]+)/.exec(key)?.[1];
	return named === undefined ? reference.model.config.optimizer_grad_clip_norm : Number(named);
}

async function followTrace(
	trainer: Trainer,
	batch: GoldenBatch,
	trace: readonly TraceEntry[],
): Promise<number[]> {
	const losses: number[] = [];
	for (const { lr_used: learningRate } of trace) {
		if (learningRate === undefined) {
			const outputs = await trainer.evaluate("loss", batch.feeds);
			losses.push(scalarOf(outputs, "loss"));
			continue;
		}
		const { loss } = await trainer.step(batch.feeds, { learningRate });
		losses.push(loss);
	}
	return losses;
}

/** Weights with each number changed by a random part of {@link LAST_BIT}. */
function nudged(weights: ReadonlyMap<string, NdArray>, rerun: number): Map<string, NdArray> {
	return new Map(
		[...weights].map(([name, array]) => {
			const stream = rng("last bit", rerun, name);
			const nudge = (value: number): number => value * (1 + LAST_BIT * (2 * stream.uniform() - 1));
			const data = floatsOf(weights, name).map(nudge);
			return [name, { dtype: "float32", shape: array.shape, data }];
		}),
	);
}

/** Follows one trace from any starting weights. */
interface TraceRunner {
	(start: ReadonlyMap<string, NdArray>): Promise<number[]>;
}

/** How far rounding of the starting weights alone moves each loss, relative. */
async function lossSpread(run: TraceRunner, start: ReadonlyMap<string, NdArray>, base: readonly number[]) {
	const spread = base.map(() => 0);
	for (let rerun = 0; rerun < NUM_RERUNS; rerun++) {
		const losses = await run(nudged(start, rerun));
		losses.forEach((loss, index) => {
			spread[index] = Math.max(spread[index] ?? 0, relativeError(loss, base[index] ?? Number.NaN));
		});
	}
	return spread;
}

async function lossesCheck(
	key: string,
	trace: readonly TraceEntry[],
	start: ReadonlyMap<string, NdArray>,
	run: TraceRunner,
): Promise<Check[]> {
	const losses = await run(start);
	const errors = trace.map(({ loss }, index) => relativeError(losses[index] ?? Number.NaN, loss));
	const isSensitive = errors.some((error) => error > TRACE_LIMIT);
	const spread = isSensitive ? await lossSpread(run, start, losses) : [];
	return trace.map(({ step }, index): Check => {
		const moved = spread[index] ?? 0;
		const why = moved > 0 ? `, to which rounding of the weights alone adds ${moved.toExponential(1)},` : "";
		return {
			name: `${key} step ${step}`,
			error: errors[index] ?? Number.NaN,
			limit: TRACE_LIMIT + SPREAD_FACTOR * moved,
			measure: `relative error of the loss${why}`,
		};
	});
}

/** The checks of every AdamW trace in golden.json. */
export async function traceChecks(
	reference: Reference,
	batch: GoldenBatch,
	graph: Graph,
	runtime: OrtRuntime,
): Promise<Check[]> {
	const { config } = reference.model;
	const [beta1, beta2] = config.optimizer_betas;
	const adamw = { beta1, beta2, eps: config.optimizer_eps, weightDecay: config.optimizer_weight_decay };
	const evalGraphs = { loss: buildLossGraph(reference.model, { ...graphOptions(batch), parameters: true }) };
	const start = new Map(
		reference.trainedNames.map((name) => [name, reference.model.tensors.readFloat32(name)]),
	);
	const checks: Check[] = [];
	for (const [key, trace] of reference.traces) {
		const clipNorm = clipNormOf(reference, key);
		await using trainer = await runtime.createTrainer({ trainGraph: graph, evalGraphs, adamw, clipNorm });
		const run: TraceRunner = async (weights) => {
			await trainer.loadParameters(weights);
			await trainer.resetOptimizer();
			return followTrace(trainer, batch, trace);
		};
		checks.push(...(await lossesCheck(key, trace, start, run)), ...scheduleChecks(reference, key, trace));
		const steps = trace.filter((entry) => entry.lr_used !== undefined).length;
		if (key.includes("const") && steps === 3 && reference.trained.size > 0) {
			checks.push(parameterCheck(reference, await trainer.readParameters()));
		}
	}
	return checks;
}

function scheduleChecks(reference: Reference, key: string, trace: readonly TraceEntry[]): Check[] {
	const { sched } = reference.json;
	if (sched === undefined || !key.includes("sched")) return [];
	const schedule = {
		peakLr: reference.model.config.optimizer_lr,
		warmupSteps: sched.warmup,
		decaySteps: sched.decay,
		decayLr: sched.decay_lr,
	};
	return trace.flatMap(({ step, lr_used: expected }) =>
		expected === undefined
			? []
			: [
					{
						name: `${key} learning rate ${step}`,
						error: relativeError(learningRateAt(step, schedule), expected),
						limit: 1e-9,
						measure: "relative error",
					},
				],
	);
}

function parameterCheck(reference: Reference, parameters: ReadonlyMap<string, NdArray>): Check {
	const names = [...reference.trained.keys()].filter((name) => parameters.has(name));
	const join = (from: ReadonlyMap<string, NdArray>): Float32Array =>
		Float32Array.from(names.flatMap((name) => [...floatsOf(from, name)]));
	return {
		name: `${names.length} weights after 3 steps`,
		error: relativeL2(join(parameters), join(reference.trained)),
		limit: PARAMETER_LIMIT,
		measure: "relative L2 error",
	};
}
