// Worker side: one compiled graph on onnxruntime-node. Outputs are written into buffers that we allocate, so that they
// can be handed over without another copy.
import { type DType, type NamedArrays, type NdArray, numElements, type TypedArray } from "@zk0/arrays";
import * as ort from "onnxruntime-node";
import { AutodiffError } from "../errors.ts";
import { describeType, type TensorType } from "../graph.ts";
import { collectGarbage } from "./collect-garbage.ts";
import type { WireModel } from "./protocol.ts";

/** Tensors by name, as onnxruntime takes them. */
export type Tensors = Record<string, ort.Tensor>;

/** Where graphs run: this machine's processor, any GPU through WebGPU, or an NVIDIA GPU through CUDA 12. */
export type Device = "cpu" | "webgpu" | "cuda";

/** How sessions are created. */
export interface SessionSettings {
	/** Threads of one operator. */
	readonly threads: number;
	readonly device: Device;
	/** Where sessions write ONNX Runtime's profile when they are released: a path that file names are appended to. */
	readonly profilePrefix?: string | undefined;
	/** Outputs that stay on the device; default none. Only WebGPU tensors can. */
	readonly resident?: readonly string[];
}

/**
 * A pattern would hold one block for all intermediate values beside the arena that the first run filled: twice the
 * memory. Our rows emit what the optimizer would make of them, and without it the order of nodes is ours.
 */
const CPU_SETTINGS = { enableMemPattern: false, graphOptimizationLevel: "disabled" } as const;

/** From this size on, outputs are worth a collection of garbage (10 to 30 ms). */
const MIN_BULKY_BYTES = 2 ** 26;

/** Gives the arena back after a run, before onnxruntime-node copies the outputs. */
const RUN_OPTIONS = { extra: { memory: { enable_memory_arena_shrinkage: "cpu:0" } } };

/** What a run gave. */
export interface RunOutputs {
	/** Outputs in new host buffers. */
	readonly outputs: Map<string, NdArray>;
	/** Outputs that stayed on the device; the caller disposes them. */
	readonly resident: Tensors;
}

/** A compiled graph. */
export class OrtSession {
	readonly #session: ort.InferenceSession;
	readonly #resident: ReadonlySet<string>;
	readonly #isProfiled: boolean;
	readonly outputs: ReadonlyMap<string, TensorType>;
	readonly parameterNames: readonly string[];

	private constructor(session: ort.InferenceSession, model: WireModel, settings: SessionSettings) {
		this.#session = session;
		this.#resident = new Set(settings.resident);
		this.#isProfiled = settings.profilePrefix !== undefined;
		this.outputs = model.outputs;
		this.parameterNames = model.parameterNames;
	}

	/** Compiles a model. @throws AutodiffError "runtime-failed" with ONNX Runtime's message. */
	static async create(model: WireModel, settings: SessionSettings): Promise<OrtSession> {
		const folder = model.weightsFolder;
		const weights = folder === null ? {} : { model_external_initializers_file_folder_path: folder };
		const { resident = [], profilePrefix } = settings;
		const locations = Object.fromEntries(resident.map((name) => [name, "gpu-buffer" as const]));
		try {
			const session = await ort.InferenceSession.create(model.onnx, {
				executionProviders: [settings.device],
				...(resident.length === 0 ? {} : { preferredOutputLocation: locations }),
				intraOpNumThreads: settings.threads,
				interOpNumThreads: 1,
				executionMode: "sequential",
				logSeverityLevel: 4,
				...(settings.device === "cpu" ? CPU_SETTINGS : {}),
				...(profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: profilePrefix }),
				// Threads that spin while they wait double the time of a step on a busy machine and gain nothing on a quiet one.
				extra: { session: { intra_op: { allow_spinning: "0" }, disable_prepacking: "1", ...weights } },
			});
			return new OrtSession(session, model, settings);
		} catch (cause) {
			throw new AutodiffError("runtime-failed", `ONNX Runtime does not load the graph: ${messageOf(cause)}`, {
				cause,
			});
		}
	}

	/**
	 * Runs the graph; host outputs missing in `targets` get new buffers. Returns the new ones.
	 * @throws RangeError for targets beside resident outputs: ONNX Runtime would leave them unwritten.
	 */
	async run(feeds: Tensors, targets: Tensors = {}): Promise<RunOutputs> {
		if (this.#resident.size > 0) return this.#runResident(feeds, targets);
		const fresh = new Map<string, NdArray>();
		const fetches: Tensors = { ...targets };
		for (const [name, type] of this.outputs) {
			if (Object.hasOwn(targets, name)) continue;
			const array: NdArray = { dtype: type.dtype, shape: type.shape, data: allocate(type) };
			fresh.set(name, array);
			fetches[name] = toTensor(array);
		}
		await this.#fill(feeds, fetches);
		return { outputs: fresh, resident: {} };
	}

	async #runResident(feeds: Tensors, targets: Tensors): Promise<RunOutputs> {
		const unwritten = Object.keys(targets)[0];
		if (unwritten !== undefined)
			throw new RangeError(`run: "${unwritten}" cannot be a target of this session`);
		const results = await this.#guard(this.#session.run(feeds));
		const [outputs, resident] = [new Map<string, NdArray>(), {} as Tensors];
		for (const [name, { dtype, shape }] of this.outputs) {
			const tensor = results[name];
			if (tensor === undefined) throw new AutodiffError("runtime-failed", `a run gave no output "${name}"`);
			if (this.#resident.has(name)) resident[name] = tensor;
			// The graph's declared type is the tensor's.
			else outputs.set(name, { dtype, shape, data: tensor.data } as NdArray);
		}
		return { outputs, resident };
	}

	/**
	 * Runs with all outputs written into `fetches`. onnxruntime-node 1.30 returns a copy of each output nevertheless;
	 * nobody keeps them, and large ones are collected before the next run allocates.
	 */
	async #fill(feeds: Tensors, fetches: Tensors): Promise<void> {
		await this.#guard(this.#session.run(feeds, fetches, RUN_OPTIONS));
		const sizeBytes = Object.values(fetches).reduce((sum, tensor) => sum + 4 * tensor.size, 0);
		if (sizeBytes >= MIN_BULKY_BYTES) collectGarbage();
	}

	async #guard<T>(run: Promise<T>): Promise<T> {
		try {
			return await run;
		} catch (cause) {
			throw new AutodiffError("runtime-failed", `ONNX Runtime failed in a run: ${messageOf(cause)}`, {
				cause,
			});
		}
	}

	/** Frees the native session. */
	async release(): Promise<void> {
		if (this.#isProfiled) this.#session.endProfiling();
		await this.#session.release();
	}
}

/** Wraps an array without copying. @throws TypeError for bfloat16, which onnxruntime-node cannot feed. */
export function toTensor({ dtype, shape, data }: NdArray): ort.Tensor {
	if (dtype === "bfloat16") {
		throw new TypeError(
			`${describeType({ dtype, shape })}: bfloat16 cannot be fed or fetched; cast it in the graph`,
		);
	}
	// ort's overloads pair each dtype name with its array type, as NdArray does, but not as one generic signature.
	return new ort.Tensor(dtype as "float32", data as Float32Array, shape);
}

/** Wraps all arrays without copying. */
export function toTensors(arrays: NamedArrays): Tensors {
	return Object.fromEntries([...arrays].map(([name, array]) => [name, toTensor(array)]));
}

const ALLOCATORS: Readonly<Record<DType, (length: number) => TypedArray>> = {
	float32: (length) => new Float32Array(length),
	float64: (length) => new Float64Array(length),
	float16: (length) => new Uint16Array(length),
	bfloat16: (length) => new Uint16Array(length),
	int8: (length) => new Int8Array(length),
	uint8: (length) => new Uint8Array(length),
	int16: (length) => new Int16Array(length),
	uint16: (length) => new Uint16Array(length),
	int32: (length) => new Int32Array(length),
	uint32: (length) => new Uint32Array(length),
	int64: (length) => new BigInt64Array(length),
	uint64: (length) => new BigUint64Array(length),
	bool: (length) => new Uint8Array(length),
};

function allocate({ dtype, shape }: TensorType): TypedArray {
	return ALLOCATORS[dtype](numElements(shape));
}

function messageOf(cause: unknown): string {
	return cause instanceof Error ? cause.message : String(cause);
}
