// Worker side: one compiled graph on onnxruntime-node.
import { arrayFromBytes, DTYPE_BYTES, type NamedArrays, type NdArray, numElements } from "@zk0/arrays";
import * as ort from "onnxruntime-node";
import { AutodiffError } from "../errors.ts";
import { describeType, type TensorType } from "../graph.ts";
import { END_OF_COPIES, isEndOfCopies } from "./end-of-copies.ts";
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
		const packing = model.packWeights === true ? {} : { disable_prepacking: "1" };
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
				extra: { session: { intra_op: { allow_spinning: "0" }, ...packing, ...weights } },
			});
			return new OrtSession(session, model, settings);
		} catch (cause) {
			throw new AutodiffError("runtime-failed", `ONNX Runtime does not load the graph: ${messageOf(cause)}`, {
				cause,
			});
		}
	}

	/** Runs the graph. Outputs on the host are copies that belong to the caller. */
	async run(feeds: Tensors): Promise<RunOutputs> {
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

	/** Runs a graph that has END_OF_COPIES. Outputs without a target get a buffer that belongs to the caller. */
	async runInPlace(feeds: Tensors, targets: Tensors): Promise<Map<string, NdArray>> {
		const outputs = new Map<string, NdArray>();
		const fetches: Record<string, ort.Tensor | null> = { [END_OF_COPIES]: null };
		for (const [name, { dtype, shape }] of this.outputs) {
			const target = targets[name];
			if (target !== undefined) fetches[name] = target;
			else {
				const array = arrayFromBytes(dtype, shape, new Uint8Array(DTYPE_BYTES[dtype] * numElements(shape)));
				outputs.set(name, array);
				fetches[name] = toTensor(array);
			}
		}
		await this.#guard(
			this.#session.run(feeds, fetches).catch((error: unknown) => {
				if (!isEndOfCopies(error)) throw error;
			}),
		);
		return outputs;
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

function messageOf(cause: unknown): string {
	return cause instanceof Error ? cause.message : String(cause);
}
