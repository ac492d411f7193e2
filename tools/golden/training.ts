// Loss, gradients and AdamW traces against the reference.
import { type NdArray, toFloat32 } from "@zk0/arrays";
import { type Graph, learningRateAt, type Trainer } from "@zk0/autodiff";
import type { OrtRuntime } from "@zk0/autodiff/node";
import { buildLossGraph, buildTrainGraph, tensorShapes, trainableNames } from "@zk0/policy";
import { type Check, norm, relativeError, relativeL2, setDifference } from "./errors.ts";
import { type GoldenBatch, goldenBatch } from "./feeds.ts";
import { type Reference, referenceFloats, type TraceEntry } from "./reference.ts";

// Seen between torch 1.13, torch 2.14 and float64: loss 4e-7 relative, gradients 3.3e-5 relative L2.
const LOSS_LIMIT = 1e-5;
const GRADIENT_LIMIT = 2e-4;
const TRACE_LIMIT = 1e-4;
/** Adam divides by the size of the gradient, so weights with tiny gradients differ by whole steps. */
const PARAMETER_LIMIT = 2e-3;
/**
 * Gradients below this part of the total norm are mathematically zero (a bias before a softmax over keys) and
 * consist of rounding errors; they are measured against this floor.
 */
const GRADIENT_FLOOR = 1e-4;

/** Names and shapes in model.safetensors, and which tensors are trained. */
export function structureChecks(reference: Reference): Check[] {
	const { config, vlm } = reference.model;
	const shapes = tensorShapes(config, vlm);
	const named = (entries: Iterable<readonly [string, readonly number[]]>): string[] =>
		[...entries].map(([name, shape]) => `${name} [${shape.join(",")}]`);
	const stored = [...reference.file.entries].map(([name, { shape }]) => [name, shape] as const);
	const tensors = setDifference(named(shapes), named(stored));
	const trained = setDifference(trainableNames(config, vlm), reference.trainedNames);
	const describe = (what: string, wrong: readonly string[]): Check => ({
		name: `${what}${wrong.length === 0 ? "" : ` (${wrong.slice(0, 3).join("; ")})`}`,
		error: wrong.length,
		limit: 0,
		measure: "differences",
	});
	return [describe("tensor names and shapes", tensors), describe("trained tensors", trained)];
}

function graphOptions({ batchSize, layout }: GoldenBatch) {
	return { batchSize, cameras: layout.cameras, languageLength: layout.languageLength };
}

async function lossChecks(reference: Reference, batch: GoldenBatch, runtime: OrtRuntime): Promise<Check[]> {
	await using session = await runtime.compile(buildLossGraph(reference.model, graphOptions(batch)));
	const relative = (name: string, actual: number, expected: number): Check => ({
		name,
		error: relativeError(actual, expected),
		limit: LOSS_LIMIT,
		measure: "relative error",
	});
	const outputs = await session.run(batch.feeds);
	const checks = [relative("loss", scalarOf(outputs, "loss"), reference.json.loss)];
	if (reference.tensors.has("out.loss_per_sample")) {
		const expected = referenceFloats(reference, "out.loss_per_sample");
		const actual = floatsOf(outputs, "loss_per_sample");
		expected.forEach((value, sample) => {
			checks.push(relative(`loss of sample ${sample}`, actual[sample] ?? Number.NaN, value));
		});
	}
	const unmasked = reference.json.loss_without_pad_mask;
	if (unmasked !== undefined) {
		const plain = await session.run(goldenBatch(reference, { ignorePad: true }).feeds);
		checks.push(relative("loss without pad mask", scalarOf(plain, "loss"), unmasked));
	}
	return checks;
}

function floatsOf(outputs: ReadonlyMap<string, NdArray>, name: string): Float32Array {
	const array = outputs.get(name);
	if (array === undefined) throw new RangeError(`the graph has no output ${name}`);
	return toFloat32(array);
}

function scalarOf(outputs: ReadonlyMap<string, NdArray>, name: string): number {
	return floatsOf(outputs, name)[0] ?? Number.NaN;
}

async function gradientChecks(
	reference: Reference,
	batch: GoldenBatch,
	graph: Graph,
	runtime: OrtRuntime,
): Promise<Check[]> {
	await using session = await runtime.compile(graph);
	const names = reference.trainedNames;
	const weights = names.map((name) => [name, reference.file.readFloat32(name)] as const);
	const outputs = await session.run(new Map<string, NdArray>([...batch.feeds, ...weights]));
	const total = norm([...reference.gradients.values()].map((gradient) => norm(toFloat32(gradient))));
	const floor = GRADIENT_FLOOR * total;
	return names.map((name) => {
		const actual = floatsOf(outputs, `grad:${name}`);
		const stored = reference.gradients.get(name);
		const expected = stored === undefined ? new Float32Array(actual.length) : toFloat32(stored);
		const error = relativeL2(actual, expected, floor);
		return { name: `gradient ${name}`, error, limit: GRADIENT_LIMIT, measure: "relative L2 error" };
	});
}

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

async function traceChecks(
	reference: Reference,
	batch: GoldenBatch,
	graph: Graph,
	runtime: OrtRuntime,
): Promise<Check[]> {
	const { config } = reference.model;
	const [beta1, beta2] = config.optimizer_betas;
	const adamw = { beta1, beta2, eps: config.optimizer_eps, weightDecay: config.optimizer_weight_decay };
	const evalGraphs = { loss: buildLossGraph(reference.model, { ...graphOptions(batch), parameters: true }) };
	const start = new Map(reference.trainedNames.map((name) => [name, reference.file.readFloat32(name)]));
	const checks: Check[] = [];
	for (const [key, trace] of reference.traces) {
		const clipNorm = clipNormOf(reference, key);
		await using trainer = await runtime.createTrainer({ trainGraph: graph, evalGraphs, adamw, clipNorm });
		await trainer.loadParameters(start);
		const losses = await followTrace(trainer, batch, trace);
		trace.forEach(({ step, loss }, index) => {
			const error = relativeError(losses[index] ?? Number.NaN, loss);
			checks.push({
				name: `${key} step ${step}`,
				error,
				limit: TRACE_LIMIT,
				measure: "relative error of the loss",
			});
		});
		checks.push(...scheduleChecks(reference, key, trace));
		const steps = trace.filter((entry) => entry.lr_used !== undefined).length;
		if (key.includes("const") && steps === 3 && reference.trained.size > 0)
			checks.push(parameterCheck(reference, await trainer.readParameters()));
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

/** Loss, gradients, AdamW traces. */
export async function* trainingChecks(
	reference: Reference,
	batch: GoldenBatch,
	runtime: OrtRuntime,
): AsyncGenerator<Check> {
	yield* await lossChecks(reference, batch, runtime);
	const graph = buildTrainGraph(reference.model, graphOptions(batch));
	yield* await gradientChecks(reference, batch, graph, runtime);
	yield* await traceChecks(reference, batch, graph, runtime);
}
