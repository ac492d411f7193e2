// The memory of a training before it starts, from the shapes of its graphs, and the micro-batch that fits.

import { sizeBytes } from "@zk0/arrays";
import { type GraphMemory, graphMemory, parametersOf } from "@zk0/autodiff";
import { buildImageTokensGraph, buildPrefixGraph, hasFrozenPrefix, type PolicyModel } from "@zk0/policy";
import { FinetuneError } from "./errors.ts";
import { microBatchesOf } from "./micro-batch.ts";
import { trainingGraphs } from "./policy-engine.ts";
import { EVAL_BATCH_SIZE } from "./site.ts";

/** What to plan for. */
export interface MemoryRequest {
	readonly model: PolicyModel;
	/** Policy cameras that the data have. */
	readonly cameras: readonly string[];
	readonly batchSize: number;
	/** Samples of one pass, or "auto": as many as fit. */
	readonly microBatch: number | "auto";
	/** Whether FedProx's anchor is held. */
	readonly isProximal: boolean;
	/** Engines that work at the same time; they share the frozen weights. */
	readonly numEngines: number;
	/** What the process may take; null where nobody knows: then nothing is refused. */
	readonly availableBytes: number | null;
}

/** Memory of a training, in bytes. */
export interface MemoryPlan {
	readonly microBatch: number;
	/** Frozen weights, mapped from their file once for all engines. */
	readonly frozenBytes: number;
	/** Trained tensors, gradients, both moments, and where needed the sum over micro-batches and FedProx's anchor. */
	readonly trainedBytes: number;
	/** Intermediate values of one micro-batch, and of evaluation and encoding. */
	readonly activationBytes: number;
	/** The runtime itself and copies of weights on their way. */
	readonly otherBytes: number;
	readonly totalBytes: number;
	readonly availableBytes: number | null;
}

/** Node, ONNX Runtime and the decoders, as measured. */
const PROCESS_BYTES = 350 * 2 ** 20;
/** Weights read from a file, and the copy that goes to the runtime. */
const WEIGHT_COPIES = 2;

/**
 * The memory of a training and its micro-batch.
 * @throws FinetuneError "memory-pressure" when not even one sample at a time fits
 */
export function planMemory(request: MemoryRequest): MemoryPlan {
	const { batchSize, availableBytes } = request;
	const { of, cheapest } = memoryByMicroBatch(request);
	const fits = ({ totalBytes }: MemoryPlan): boolean =>
		availableBytes === null || totalBytes <= availableBytes;
	const candidates = request.microBatch === "auto" ? microBatchesOf(batchSize) : [request.microBatch];
	const plan = candidates.map(of).find(fits);
	if (plan !== undefined) return plan;
	const smallest = cheapest();
	const advice =
		fits(smallest) && request.microBatch !== "auto"
			? `--micro-batch ${smallest.microBatch} or auto fits`
			: "close other programs, let fewer sites work at once (--concurrency 1), train an adapter (--lora-rank 16), or take a larger machine";
	const [wanted = smallest] = candidates.map(of).slice(-1);
	throw new FinetuneError("memory-pressure", `training needs ${describeMemory(wanted)}; ${advice}`);
}

/** `3.1 GB (weights 1.2, trained tensors 1.6, ...) of 8.0 GB available`. */
export function describeMemory(plan: MemoryPlan): string {
	const gb = (bytes: number): string => (bytes / 1e9).toFixed(bytes < 1e8 ? 2 : 1);
	const { microBatch, frozenBytes, trainedBytes, activationBytes, otherBytes, totalBytes } = plan;
	const pass = microBatch === 1 ? "1 sample" : `${microBatch} samples`;
	const parts =
		`frozen weights ${gb(frozenBytes)}, trained tensors and optimizer ${gb(trainedBytes)}, ` +
		`${pass} at a time ${gb(activationBytes)}, rest ${gb(otherBytes)}`;
	const room = plan.availableBytes === null ? "" : ` of ${gb(plan.availableBytes)} GB available`;
	return `about ${gb(totalBytes)} GB${room} (${parts})`;
}

function memoryByMicroBatch(request: MemoryRequest): {
	readonly of: (microBatch: number) => MemoryPlan;
	readonly cheapest: () => MemoryPlan;
} {
	const { model, cameras, batchSize, isProximal, numEngines, availableBytes } = request;
	const shape = { cameras, evalBatchSize: EVAL_BATCH_SIZE };
	const { train, evals } = trainingGraphs(model, { ...shape, batchSize: 1 });
	const encoders = hasFrozenPrefix(model)
		? [buildImageTokensGraph(model), buildPrefixGraph(model, { cameras })]
		: [];
	const one = graphMemory(train);
	// Every value of the train graph has the batch as a factor or not: two sizes give the line through all.
	const two = batchSize === 1 ? one : graphMemory(trainingGraphs(model, { ...shape, batchSize: 2 }).train);
	const perSample = two.peakValueBytes - one.peakValueBytes;
	const others = [...Object.values(evals), ...encoders].map(graphMemory);
	const parameterBytes = [...parametersOf(train).values()].reduce(
		(sum, { dtype, shape: dims }) => sum + sizeBytes(dtype, dims),
		0,
	);
	const { frozen, embedded } = frozenBytes([one, ...others]);
	const evaluating = others.reduce((sum, { peakValueBytes }) => sum + peakValueBytes, 0);
	const of = (microBatch: number): MemoryPlan => {
		const numCopies = 4 + (microBatch < batchSize ? 1 : 0) + (isProximal ? 1 : 0);
		const trainedBytes = numEngines * numCopies * parameterBytes;
		const values = one.peakValueBytes + (microBatch - 1) * perSample;
		const activationBytes = numEngines * (values + evaluating);
		const otherBytes = PROCESS_BYTES + numEngines * (embedded + WEIGHT_COPIES * parameterBytes);
		const totalBytes = frozen + trainedBytes + activationBytes + otherBytes;
		return {
			microBatch,
			frozenBytes: frozen,
			trainedBytes,
			activationBytes,
			otherBytes,
			totalBytes,
			availableBytes,
		};
	};
	return { of, cheapest: () => of(1) };
}

function frozenBytes(graphs: readonly GraphMemory[]): { readonly frozen: number; readonly embedded: number } {
	const regions = new Map(graphs.flatMap((graph) => [...graph.regions]));
	return {
		frozen: [...regions.values()].reduce((sum, size) => sum + size, 0),
		embedded: graphs.reduce((sum, { embeddedBytes }) => sum + embeddedBytes, 0),
	};
}
