// Structure, loss and gradients against the reference; then the AdamW traces.
import { type NdArray, toFloat32 } from "@zk0/arrays";
import type { Graph } from "@zk0/autodiff";
import type { OrtRuntime } from "@zk0/autodiff/node";
import { buildLossGraph, buildTrainGraph, FEED, tensorShapes, trainedNames } from "@zk0/policy";
import { type Check, norm, relativeError, relativeL2, setDifference } from "./errors.ts";
import { type GoldenBatch, goldenBatch } from "./feeds.ts";
import { floatsOf, graphOptions, scalarOf } from "./outputs.ts";
import { type Reference, referenceFloats } from "./reference.ts";
import { traceChecks } from "./traces.ts";

// Seen between torch 1.13, torch 2.14 and float64: loss 4e-7 relative, gradients 3.3e-5 relative L2.
const LOSS_LIMIT = 1e-5;
const GRADIENT_LIMIT = 2e-4;
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
	const trained = setDifference(trainedNames(reference.model), reference.trainedNames);
	const describe = (what: string, wrong: readonly string[]): Check => ({
		name: `${what}${wrong.length === 0 ? "" : ` (${wrong.slice(0, 3).join("; ")})`}`,
		error: wrong.length,
		limit: 0,
		measure: "differences",
	});
	return [describe("tensor names and shapes", tensors), describe("trained tensors", trained)];
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
		const { feeds } = goldenBatch(reference, { ignorePad: true });
		const valid = feeds.get(FEED.valid);
		if (valid === undefined) throw new RangeError("the golden batch has no mask of valid actions");
		const plain = await session.run(new Map([...batch.feeds, [FEED.valid, valid]]));
		checks.push(relative("loss without pad mask", scalarOf(plain, "loss"), unmasked));
	}
	return checks;
}

async function gradientChecks(
	reference: Reference,
	batch: GoldenBatch,
	graph: Graph,
	runtime: OrtRuntime,
): Promise<Check[]> {
	await using session = await runtime.compile(graph);
	const names = reference.trainedNames;
	const weights = names.map((name) => [name, reference.model.tensors.readFloat32(name)] as const);
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
