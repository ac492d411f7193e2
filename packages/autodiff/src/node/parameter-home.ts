// Where the parameters under training live: in host memory beside the processor's kernels, or on the device between
// steps. The trainer does not know which.
import type { NamedArrays, NdArray } from "@zk0/arrays";
import type { TensorType } from "../graph.ts";
import type { AdamWOptions } from "../optim/adamw.ts";
import { ParameterMemory, type UpdateResult } from "../optim/parameter-memory.ts";
import type { OptimizerState } from "../trainer.ts";
import { type OrtSession, type Tensors, toTensor, toTensors } from "./ort-session.ts";

/** Parameters, gradients and moments of one trainer. Failures are those of ParameterMemory. */
export interface ParameterHome {
	/** Updates made so far. */
	readonly step: number;
	/** The parameters as feeds; they change with every update. */
	feeds(): Tensors;
	/** Runs the train graph on the parameters and keeps its gradients ("grad:<name>"). @returns the other outputs */
	runTrain(session: OrtSession, batch: NamedArrays): Promise<Map<string, NdArray>>;
	load(arrays: NamedArrays): Promise<void>;
	read(): Promise<Map<string, NdArray<"float32">>>;
	resetOptimizer(): Promise<void>;
	readOptimizer(): Promise<OptimizerState>;
	loadOptimizer(state: OptimizerState): Promise<void>;
	/** Parameters and optimizer, as views where that is possible: to be used up before the next call. */
	view(): Promise<{ readonly weights: NamedArrays; readonly optimizer: OptimizerState }>;
	setProximal(mu: number): Promise<void>;
	/** Adds the gradients, times `weight`, to the sum over micro-batches; the first one starts the sum. */
	accumulate(weight: number, first: boolean): Promise<void>;
	/** The sum over micro-batches becomes the gradients. */
	takeAccumulated(): Promise<void>;
	/** Proximal term, norm, clipping and AdamW on the gradients. */
	update(learningRate: number, adamw: AdamWOptions, clipNorm: number | null): Promise<UpdateResult>;
	/** Frees what the device holds. */
	release(): Promise<void>;
}

/** Parameters on one WebAssembly memory that ONNX Runtime reads and writes without copying. */
export class HostParameters implements ParameterHome {
	readonly #memory: ParameterMemory;
	readonly #feeds: Tensors = {};
	readonly #gradients: Tensors = {};

	constructor(types: ReadonlyMap<string, TensorType>) {
		this.#memory = new ParameterMemory(types);
		for (const name of this.#memory.names) {
			this.#feeds[name] = toTensor(this.#memory.parameter(name));
			this.#gradients[`grad:${name}`] = toTensor(this.#memory.gradient(name));
		}
	}

	get step(): number {
		return this.#memory.step;
	}

	feeds(): Tensors {
		return this.#feeds;
	}

	runTrain(session: OrtSession, batch: NamedArrays): Promise<Map<string, NdArray>> {
		return session.runInPlace({ ...toTensors(batch), ...this.#feeds }, this.#gradients);
	}

	async load(arrays: NamedArrays): Promise<void> {
		this.#memory.load(arrays);
	}

	async read(): Promise<Map<string, NdArray<"float32">>> {
		return this.#memory.read();
	}

	async resetOptimizer(): Promise<void> {
		this.#memory.resetOptimizer();
	}

	async readOptimizer(): Promise<OptimizerState> {
		return { step: this.#memory.step, moments: this.#memory.readMoments() };
	}

	async loadOptimizer({ step, moments }: OptimizerState): Promise<void> {
		this.#memory.loadOptimizer(step, moments);
	}

	async view(): Promise<{ weights: NamedArrays; optimizer: OptimizerState }> {
		const weights = new Map<string, NdArray>();
		const moments = new Map<string, NdArray>();
		for (const name of this.#memory.names) {
			const { first, second } = this.#memory.moments(name);
			weights.set(name, this.#memory.parameter(name));
			moments.set(`exp_avg:${name}`, first);
			moments.set(`exp_avg_sq:${name}`, second);
		}
		return { weights, optimizer: { step: this.#memory.step, moments } };
	}

	async setProximal(mu: number): Promise<void> {
		this.#memory.setProximal(mu);
	}

	async accumulate(weight: number, first: boolean): Promise<void> {
		this.#memory.accumulate(weight, first);
	}

	async takeAccumulated(): Promise<void> {
		this.#memory.takeAccumulated();
	}

	async update(learningRate: number, adamw: AdamWOptions, clipNorm: number | null): Promise<UpdateResult> {
		return this.#memory.update(learningRate, adamw, clipNorm);
	}

	/** The memory goes with the object. */
	async release(): Promise<void> {}
}
