// The main thread's end of a trainer: checks graphs and feeds, copies batches once, and leaves the rest to the worker.
import { type NamedArrays, sameShape } from "@zk0/arrays";
import { AutodiffError } from "../errors.ts";
import { describeType, feedsOf, type Graph, outputsOf, parametersOf, type TensorType } from "../graph.ts";
import { checkAdamWOptions } from "../optim/adamw.ts";
import { checkFeeds } from "../runtime.ts";
import type { Trainer, TrainerOptions } from "../trainer.ts";
import { buffersOf, copyArrays, takeArrays, type WireModel } from "./protocol.ts";
import type { WorkerLink } from "./worker-link.ts";

/** Creates a trainer in the worker behind `link` and counts it in `live`. */
export async function createTrainerClient(
	link: WorkerLink,
	live: Set<number>,
	options: TrainerOptions,
	toWireModel: (graph: Graph, role: "train" | "eval") => Promise<WireModel>,
): Promise<Trainer> {
	const { trainGraph, evalGraphs = {}, adamw, clipNorm } = options;
	const parameters = parametersOf(trainGraph);
	checkTrainGraph(trainGraph, parameters);
	checkAdamWOptions(adamw);
	if (clipNorm !== null && !(clipNorm > 0)) {
		throw new RangeError(`createTrainer: clipNorm ${clipNorm} must be above 0, or null for no clipping`);
	}
	const evals = new Map<string, WireModel>();
	const evalInputs = new Map<string, ReadonlyMap<string, TensorType>>();
	for (const [name, graph] of Object.entries(evalGraphs)) {
		checkEvalGraph(name, graph, parameters);
		evals.set(name, await toWireModel(graph, "eval"));
		evalInputs.set(name, inputsOf(graph));
	}
	const train = await toWireModel(trainGraph, "train");
	const handle = await link.call("createTrainer", { train, evals, parameters, adamw, clipNorm });
	live.add(handle);
	return trainerOf({ link, live, handle, parameters, trainInputs: inputsOf(trainGraph), evalInputs });
}

interface TrainerState {
	readonly link: WorkerLink;
	readonly live: Set<number>;
	readonly handle: number;
	readonly parameters: ReadonlyMap<string, TensorType>;
	readonly trainInputs: ReadonlyMap<string, TensorType>;
	readonly evalInputs: ReadonlyMap<string, ReadonlyMap<string, TensorType>>;
}

function trainerOf({ link, live, handle, parameters, trainInputs, evalInputs }: TrainerState): Trainer {
	const demandLive = (what: string): void => {
		if (!live.has(handle)) throw new AutodiffError("disposed", `${what}: the trainer was disposed`);
	};
	return {
		parameterNames: [...parameters.keys()],
		loadParameters: async (arrays) => {
			demandLive("loadParameters");
			const copies = copyArrays(arrays);
			await link.call("loadParameters", { handle, arrays: copies }, { transfer: buffersOf(copies) });
		},
		readParameters: async () => {
			demandLive("readParameters");
			return link.call("readParameters", { handle });
		},
		resetOptimizer: async () => {
			demandLive("resetOptimizer");
			await link.call("resetOptimizer", { handle });
		},
		readOptimizer: async () => {
			demandLive("readOptimizer");
			return link.call("readOptimizer", { handle });
		},
		loadOptimizer: async ({ step, moments }) => {
			demandLive("loadOptimizer");
			const copies = copyArrays(moments);
			await link.call(
				"loadOptimizer",
				{ handle, state: { step, moments: copies } },
				{ transfer: buffersOf(copies) },
			);
		},
		saveState: async (path, metadata) => {
			demandLive("saveState");
			await link.call("saveState", { handle, path, metadata });
		},
		loadState: async (path) => {
			demandLive("loadState");
			return (await link.call("loadState", { handle, path })).metadata;
		},
		setProximal: async (mu) => {
			demandLive("setProximal");
			await link.call("setProximal", { handle, mu });
		},
		step: async (feeds, { learningRate, microWeights, takeFeeds = false, signal }) => {
			demandLive("step");
			const batches = feeds instanceof Map ? [feeds] : toBatches(feeds);
			const weights = microWeights ?? batches.map(() => 1 / batches.length);
			checkStep(batches.length, weights, learningRate);
			for (const batch of batches) checkFeeds("step", trainInputs, batch);
			const copies = batches.map(takeFeeds ? takeArrays : copyArrays);
			const request = { handle, batches: copies, weights, learningRate };
			return link.call("step", request, { signal, transfer: buffersOf(...copies) });
		},
		evaluate: async (graphName, feeds, { signal } = {}) => {
			demandLive("evaluate");
			const declared = evalInputs.get(graphName);
			if (declared === undefined) {
				throw new RangeError(
					`evaluate: no eval graph "${graphName}"; there are ${[...evalInputs.keys()].join(", ")}`,
				);
			}
			checkFeeds(`evaluate "${graphName}"`, declared, feeds);
			const copies = copyArrays(feeds);
			const request = { handle, graphName, feeds: copies };
			return link.call("evaluate", request, { signal, abandon: true, transfer: buffersOf(copies) });
		},
		[Symbol.asyncDispose]: async () => {
			if (live.delete(handle)) await link.release(handle);
		},
	};
}

/** A ReadonlyMap is one batch, anything else a list of them. */
function toBatches(feeds: NamedArrays | readonly NamedArrays[]): readonly NamedArrays[] {
	return Array.isArray(feeds) ? feeds : [];
}

function checkStep(numBatches: number, weights: readonly number[], learningRate: number): void {
	if (
		numBatches === 0 ||
		weights.length !== numBatches ||
		weights.some((weight) => !(weight > 0 && weight < Infinity))
	) {
		throw new RangeError(
			`step: ${numBatches} micro-batches with weights [${weights.join(",")}]; needs one positive weight each`,
		);
	}
	if (!(learningRate >= 0 && learningRate < Infinity)) {
		throw new RangeError(`step: learningRate ${learningRate} must be finite and at least 0`);
	}
}

function inputsOf(graph: Graph): Map<string, TensorType> {
	return new Map([...feedsOf(graph)].filter(([, feed]) => feed.kind === "input"));
}

function checkTrainGraph(graph: Graph, parameters: ReadonlyMap<string, TensorType>): void {
	const outputs = outputsOf(graph);
	const demandOutput = (name: string, shape: readonly number[]): void => {
		const output = outputs.get(name);
		if (output === undefined || output.dtype !== "float32" || !sameShape(output.shape, shape)) {
			const found = output === undefined ? "missing" : describeType(output);
			throw new RangeError(
				`createTrainer: output "${name}" is ${found}, expected float32[${shape.join(",")}]`,
			);
		}
	};
	if (parameters.size === 0) throw new RangeError("createTrainer: the train graph has no parameters");
	demandOutput("loss", []);
	for (const [name, { shape }] of parameters) demandOutput(`grad:${name}`, shape);
}

function checkEvalGraph(graphName: string, graph: Graph, parameters: ReadonlyMap<string, TensorType>): void {
	for (const [name, type] of parametersOf(graph)) {
		const trained = parameters.get(name);
		if (trained === undefined || !sameShape(trained.shape, type.shape)) {
			const found = trained === undefined ? "not in the train graph" : `${describeType(trained)} there`;
			throw new RangeError(
				`createTrainer: eval graph "${graphName}" has parameter "${name}" ${describeType(type)}, ${found}`,
			);
		}
	}
}
