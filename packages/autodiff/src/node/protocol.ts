// Messages between the runtime and its worker thread. Arrays cross by transfer of their buffers, errors as plain data.
import type { NamedArrays, NdArray } from "@zk0/arrays";
import { AutodiffError, type AutodiffErrorCode } from "../errors.ts";
import type { TensorType } from "../graph.ts";
import type { AdamWOptions } from "../optim/adamw.ts";
import type { OptimizerState, StepResult } from "../trainer.ts";

/** A graph ready for ONNX Runtime. */
export interface WireModel {
	readonly onnx: Uint8Array;
	/** Directory that the locations of external initializers are relative to. */
	readonly weightsFolder: string | null;
	readonly outputs: ReadonlyMap<string, TensorType>;
	/** Whether frozen weights are laid out anew for speed, in memory of their own; default no. */
	readonly packWeights?: boolean;
	/** Names of the parameters that the graph wants fed. */
	readonly parameterNames: readonly string[];
}

/** Everything the worker can be asked, with request and response. */
export interface Calls {
	compile: { request: { readonly model: WireModel }; response: number };
	run: { request: { readonly handle: number; readonly feeds: NamedArrays }; response: Map<string, NdArray> };
	createTrainer: {
		request: {
			readonly train: WireModel;
			readonly evals: ReadonlyMap<string, WireModel>;
			readonly parameters: ReadonlyMap<string, TensorType>;
			readonly adamw: AdamWOptions;
			readonly clipNorm: number | null;
		};
		response: number;
	};
	loadParameters: { request: { readonly handle: number; readonly arrays: NamedArrays }; response: null };
	readParameters: { request: { readonly handle: number }; response: Map<string, NdArray<"float32">> };
	resetOptimizer: { request: { readonly handle: number }; response: null };
	readOptimizer: { request: { readonly handle: number }; response: OptimizerState };
	loadOptimizer: { request: { readonly handle: number; readonly state: OptimizerState }; response: null };
	saveState: {
		request: {
			readonly handle: number;
			readonly path: string;
			readonly metadata: Readonly<Record<string, string>>;
		};
		response: null;
	};
	loadState: {
		request: { readonly handle: number; readonly path: string };
		response: { readonly metadata: Readonly<Record<string, string>> };
	};
	setProximal: { request: { readonly handle: number; readonly mu: number }; response: null };
	step: {
		request: {
			readonly handle: number;
			readonly batches: readonly NamedArrays[];
			readonly weights: readonly number[];
			readonly learningRate: number;
		};
		response: StepResult;
	};
	evaluate: {
		request: { readonly handle: number; readonly graphName: string; readonly feeds: NamedArrays };
		response: Map<string, NdArray>;
	};
	release: { request: { readonly handle: number }; response: null };
	close: { request: null; response: null };
}

/** Name of a call. */
export type CallName = keyof Calls;

/** A request on the wire. */
export interface WireRequest<K extends CallName = CallName> {
	readonly id: number;
	readonly kind: K;
	readonly request: Calls[K]["request"];
}

/** A response on the wire. */
export type WireResponse =
	| { readonly id: number; readonly ok: true; readonly value: Calls[CallName]["response"] }
	| { readonly id: number; readonly ok: false; readonly error: WireError };

/** An error as structured data. */
export interface WireError {
	readonly kind: "range" | "type" | "autodiff" | "other";
	readonly message: string;
	readonly stack: string | undefined;
	readonly code: AutodiffErrorCode;
	readonly tensor: string | undefined;
	readonly cause: string | undefined;
}

/** What ONNX Runtime, the C++ library below it and V8 say when there is no memory. */
const OUT_OF_MEMORY =
	/bad_alloc|failed to allocate memory|allocation failed|could not allocate|out of memory/i;

/** Flattens an error for the wire; no memory is "out-of-memory", anything else untyped "runtime-failed". */
export function encodeError(error: unknown): WireError {
	const { message, stack, cause } = error instanceof Error ? error : new TypeError(String(error));
	const isFull = OUT_OF_MEMORY.test(message);
	const kind =
		error instanceof AutodiffError || isFull
			? "autodiff"
			: error instanceof RangeError
				? "range"
				: error instanceof TypeError
					? "type"
					: "other";
	return {
		kind,
		message,
		stack,
		code: isFull ? "out-of-memory" : error instanceof AutodiffError ? error.code : "runtime-failed",
		tensor: error instanceof AutodiffError ? error.tensor : undefined,
		cause: cause instanceof Error ? cause.message : undefined,
	};
}

/** The error that `encodeError` flattened, with the worker's stack as the cause's. */
export function decodeError(wire: WireError): Error {
	const cause = new AutodiffError(wire.code, wire.cause ?? wire.message);
	if (wire.stack !== undefined) cause.stack = wire.stack;
	if (wire.kind === "range") return new RangeError(wire.message, { cause });
	if (wire.kind === "type") return new TypeError(wire.message, { cause });
	const tensor = wire.tensor === undefined ? {} : { tensor: wire.tensor };
	return new AutodiffError(wire.code, wire.message, { cause, ...tensor });
}

/** The buffers behind arrays, each once, for a transfer list. */
export function buffersOf(...collections: readonly NamedArrays[]): ArrayBuffer[] {
	const buffers = new Set<ArrayBuffer>();
	for (const arrays of collections) {
		for (const { data } of arrays.values()) {
			if (data.buffer instanceof ArrayBuffer) buffers.add(data.buffer);
		}
	}
	return [...buffers];
}

/** Arrays fit for a transfer: those that have a buffer to themselves as they are, copies of others. */
export function takeArrays(arrays: NamedArrays): Map<string, NdArray> {
	const isWhole = ({ buffer, byteLength }: NdArray["data"]): boolean => buffer.byteLength === byteLength;
	return new Map(
		[...arrays].map(([name, array]) => [
			name,
			isWhole(array.data) ? array : { ...array, data: array.data.slice() },
		]),
	);
}

/** Arrays with buffers of their own, fit for a transfer. */
export function copyArrays(arrays: NamedArrays): Map<string, NdArray> {
	return new Map([...arrays].map(([name, array]) => [name, { ...array, data: array.data.slice() }]));
}
