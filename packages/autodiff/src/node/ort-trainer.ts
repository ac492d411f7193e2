// Worker side of a trainer: the train and eval sessions read parameters from, and write gradients to, views of one
// ParameterMemory.
import { type NamedArrays, type NdArray, ndArray, numElements } from "@zk0/arrays";
import { AutodiffError } from "../errors.ts";
import type { AdamWOptions } from "../optim/adamw.ts";
import { ParameterMemory } from "../optim/parameter-memory.ts";
import type { OptimizerState, StepResult } from "../trainer.ts";
import { OrtSession, type SessionSettings, type Tensors, toTensor, toTensors } from "./ort-session.ts";
import type { Calls } from "./protocol.ts";

/** Parameters under training with their sessions. */
export class OrtTrainer {
	readonly #memory: ParameterMemory;
	readonly #train: OrtSession;
	readonly #evals: ReadonlyMap<string, OrtSession>;
	readonly #parameterFeeds: Tensors = {};
	readonly #gradientTargets: Tensors = {};
	readonly #adamw: AdamWOptions;
	readonly #clipNorm: number | null;

	private constructor(
		request: Calls["createTrainer"]["request"],
		train: OrtSession,
		evals: ReadonlyMap<string, OrtSession>,
	) {
		this.#memory = new ParameterMemory(request.parameters);
		this.#train = train;
		this.#evals = evals;
		this.#adamw = request.adamw;
		this.#clipNorm = request.clipNorm;
		for (const name of this.#memory.names) {
			this.#parameterFeeds[name] = toTensor(this.#memory.parameter(name));
			this.#gradientTargets[`grad:${name}`] = toTensor(this.#memory.gradient(name));
		}
	}

	/** Compiles all graphs; on failure none of them stays. */
	static async create(
		request: Calls["createTrainer"]["request"],
		settings: SessionSettings,
	): Promise<OrtTrainer> {
		const sessions: OrtSession[] = [];
		const compile = async (model: typeof request.train): Promise<OrtSession> => {
			const session = await OrtSession.create(model, settings);
			sessions.push(session);
			return session;
		};
		try {
			const train = await compile(request.train);
			const evals = new Map<string, OrtSession>();
			for (const [name, model] of request.evals) evals.set(name, await compile(model));
			return new OrtTrainer(request, train, evals);
		} catch (error) {
			for (const session of sessions) await session.release();
			throw error;
		}
	}

	/** Parameters and moments. */
	get memory(): ParameterMemory {
		return this.#memory;
	}

	/** Moments and step count. */
	readOptimizer(): OptimizerState {
		return { step: this.#memory.step, moments: this.#memory.readMoments() };
	}

	/** One update; see Trainer.step. */
	async step({ batches, weights, learningRate }: Calls["step"]["request"]): Promise<StepResult> {
		const outputs: Map<string, NdArray>[] = [];
		let loss = 0;
		const isPlain = batches.length === 1 && weights[0] === 1;
		for (const [index, batch] of batches.entries()) {
			const weight = weights[index] ?? 1;
			const fetched = await this.#train.run(
				{ ...toTensors(batch), ...this.#parameterFeeds },
				this.#gradientTargets,
			);
			const batchLoss = Number(fetched.get("loss")?.data[0]);
			this.#demandFinite(batchLoss, batch);
			loss = index === 0 ? weight * batchLoss : loss + weight * batchLoss;
			if (!isPlain) this.#memory.accumulate(weight, index === 0);
			fetched.delete("loss");
			outputs.push(fetched);
		}
		if (!isPlain) this.#memory.takeAccumulated();
		const update = this.#memory.update(learningRate, this.#adamw, this.#clipNorm);
		return { loss, ...update, outputs: outputs.length === 1 ? (outputs[0] ?? new Map()) : stack(outputs) };
	}

	/** Outputs of an eval graph on the current parameters. */
	async evaluate(graphName: string, feeds: NamedArrays): Promise<Map<string, NdArray>> {
		const session = this.#evals.get(graphName);
		if (session === undefined) throw new RangeError(`evaluate: no eval graph "${graphName}"`);
		const tensors = toTensors(feeds);
		for (const name of session.parameterNames) {
			const parameter = this.#parameterFeeds[name];
			if (parameter !== undefined) tensors[name] = parameter;
		}
		return session.run(tensors);
	}

	/** Frees the native sessions. */
	async release(): Promise<void> {
		await this.#train.release();
		for (const session of this.#evals.values()) await session.release();
	}

	#demandFinite(loss: number, feeds: NamedArrays): void {
		if (Number.isFinite(loss)) return;
		const bad = [...feeds].find(([, { data }]) => hasNonFinite(data));
		const tensor = bad?.[0] ?? "loss";
		throw new AutodiffError(
			"non-finite",
			`step ${this.#memory.step}: loss is ${loss}; first bad tensor is "${tensor}"; check the data and the learning rate`,
			{ tensor },
		);
	}
}

function hasNonFinite(data: NdArray["data"]): boolean {
	return data instanceof Float32Array && data.some((value) => !Number.isFinite(value));
}

/** Outputs of several micro-batches along a new first axis. */
function stack(batches: readonly Map<string, NdArray>[]): Map<string, NdArray> {
	const stacked = new Map<string, NdArray>();
	for (const [name, first] of batches[0] ?? []) {
		if (first.dtype !== "float32") {
			throw new TypeError(
				`step: output "${name}" is ${first.dtype}; only float32 outputs are stacked over micro-batches`,
			);
		}
		const size = numElements(first.shape);
		const data = new Float32Array(size * batches.length);
		batches.forEach((batch, index) => {
			const part = batch.get(name)?.data;
			if (part instanceof Float32Array) data.set(part, index * size);
		});
		stacked.set(name, ndArray("float32", [batches.length, ...first.shape], data));
	}
	return stacked;
}
