// The runtime seam: what runs graphs. `node.ts` implements it on onnxruntime-node; `runtime.contract.ts` is the suite
// that every implementation passes.
import { type NamedArrays, type NdArray, numElements, sameShape } from "@zk0/arrays";
import { describeType, type Graph, type TensorType } from "./graph.ts";
import type { Trainer, TrainerOptions } from "./trainer.ts";

/** Runs compiled graphs. Disposing it disposes its sessions and trainers. */
export interface Runtime extends AsyncDisposable {
	/** Compiles a graph; the caller disposes the session. @throws AutodiffError "runtime-failed". */
	compile(graph: Graph, options?: CompileOptions): Promise<Session>;
	/** Moves the parameters of a graph into memory that the optimizer shares; the caller disposes the trainer. */
	createTrainer(options: TrainerOptions): Promise<Trainer>;
	/**
	 * What the last bits of results depend on besides graph and feeds: library, device, processor, threads. Results that
	 * are kept for later runs are kept under this name.
	 */
	readonly arithmetic: string;
	/** Sessions and trainers that are not disposed yet. */
	readonly numLiveHandles: number;
}

/** Options of a session. */
export interface CompileOptions {
	/**
	 * Lays frozen weights out anew for products with few rows, in memory of its own (half the time at 50 rows); default:
	 * they are read where their file is mapped, once for all sessions and processes. Last bits differ.
	 */
	readonly packWeights?: boolean;
}

/** Options of one run. */
export interface RunOptions {
	/** Rejects the call with the signal's reason; a run that already computes finishes unheard. */
	readonly signal?: AbortSignal;
}

/** A compiled graph. */
export interface Session extends AsyncDisposable {
	/**
	 * Outputs of the graph for one set of feeds (inputs and parameters by name). Feeds are copied.
	 * @throws RangeError or TypeError when feeds do not fit the graph; AutodiffError "runtime-failed", "disposed",
	 * "worker-died".
	 */
	run(feeds: NamedArrays, options?: RunOptions): Promise<Map<string, NdArray>>;
}

/**
 * Demands exactly the declared feeds. `what` prefixes the message.
 * @throws RangeError for a missing, unknown or misshapen feed, TypeError for a wrong dtype.
 */
export function checkFeeds(
	what: string,
	declared: ReadonlyMap<string, TensorType>,
	feeds: ReadonlyMap<string, NdArray>,
): void {
	for (const [name, type] of declared) {
		const feed = feeds.get(name);
		if (feed === undefined) throw new RangeError(`${what}: "${name}" ${describeType(type)} is missing`);
		if (feed.dtype !== type.dtype) {
			throw new TypeError(`${what}: "${name}" is ${describeType(feed)}, expected ${describeType(type)}`);
		}
		if (!sameShape(feed.shape, type.shape) || feed.data.length !== numElements(type.shape)) {
			throw new RangeError(
				`${what}: "${name}" is ${describeType(feed)} with ${feed.data.length} elements, expected ${describeType(type)}`,
			);
		}
	}
	for (const name of feeds.keys()) {
		if (!declared.has(name)) {
			throw new RangeError(`${what}: "${name}" is not wanted; wanted are ${[...declared.keys()].join(", ")}`);
		}
	}
}
