// Worker side of a trainer: the train and eval sessions read parameters from, and give gradients to, one home.
import { type NamedArrays, type NdArray, ndArray, numElements } from "@zk0/arrays";
import { AutodiffError } from "../errors.ts";
import type { TensorType } from "../graph.ts";
import type { AdamWOptions } from "../optim/adamw.ts";
import type { StepResult } from "../trainer.ts";
import { DeviceParameters } from "./device-parameters.ts";
import { OrtSession, type SessionSettings, toTensors } from "./ort-session.ts";
import { HostParameters, type ParameterHome } from "./parameter-home.ts";
import type { Calls } from "./protocol.ts";
import { loadTrainerState, saveTrainerState } from "./trainer-state.ts";

/** Parameters under training with their sessions. */
export class OrtTrainer {
	readonly home: ParameterHome;
	readonly #parameters: ReadonlyMap<string, TensorType>;
	readonly #train: OrtSession;
	readonly #evals: ReadonlyMap<string, OrtSession>;
	readonly #adamw: AdamWOptions;
	readonly #clipNorm: number | null;

	private constructor(
		request: Calls["createTrainer"]["request"],
		home: ParameterHome,
		train: OrtSession,
		evals: ReadonlyMap<string, OrtSession>,
	) {
		this.home = home;
		this.#parameters = request.parameters;
		this.#train = train;
		this.#evals = evals;
		this.#adamw = request.adamw;
		this.#clipNorm = request.clipNorm;
	}

	/** Compiles all graphs; on failure none of them stays. */
	static async create(
		request: Calls["createTrainer"]["request"],
		settings: SessionSettings,
	): Promise<OrtTrainer> {
		const sessions: { release(): Promise<void> }[] = [];
		const keep = async <T extends { release(): Promise<void> }>(made: Promise<T>): Promise<T> => {
			const held = await made;
			sessions.push(held);
			return held;
		};
		const stays = settings.device === "webgpu";
		const resident = stays ? [...request.parameters.keys()].map((name) => `grad:${name}`) : [];
		try {
			const train = await keep(OrtSession.create(request.train, { ...settings, resident }));
			const evals = new Map<string, OrtSession>();
			for (const [name, model] of request.evals) {
				evals.set(name, await keep(OrtSession.create(model, settings)));
			}
			const home = stays
				? await keep(DeviceParameters.create(request.parameters, settings, request.adamw))
				: new HostParameters(request.parameters);
			return new OrtTrainer(request, home, train, evals);
		} catch (error) {
			for (const session of sessions) await session.release();
			throw error;
		}
	}

	/** One update; see Trainer.step. */
	async step({ batches, weights, learningRate }: Calls["step"]["request"]): Promise<StepResult> {
		const outputs: Map<string, NdArray>[] = [];
		let loss = 0;
		const isPlain = batches.length === 1 && weights[0] === 1;
		for (const [index, batch] of batches.entries()) {
			const weight = weights[index] ?? 1;
			const fetched = await this.home.runTrain(this.#train, batch);
			const batchLoss = Number(fetched.get("loss")?.data[0]);
			this.#demandFinite(batchLoss, batch);
			loss = index === 0 ? weight * batchLoss : loss + weight * batchLoss;
			if (!isPlain) await this.home.accumulate(weight, index === 0);
			fetched.delete("loss");
			outputs.push(fetched);
		}
		if (!isPlain) await this.home.takeAccumulated();
		const update = await this.home.update(learningRate, this.#adamw, this.#clipNorm);
		return { loss, ...update, outputs: outputs.length === 1 ? (outputs[0] ?? new Map()) : stack(outputs) };
	}

	/** Outputs of an eval graph on the current parameters. */
	async evaluate(graphName: string, feeds: NamedArrays): Promise<Map<string, NdArray>> {
		const session = this.#evals.get(graphName);
		if (session === undefined) throw new RangeError(`evaluate: no eval graph "${graphName}"`);
		const tensors = toTensors(feeds);
		const parameters = this.home.feeds();
		for (const name of session.parameterNames) {
			const parameter = parameters[name];
			if (parameter !== undefined) tensors[name] = parameter;
		}
		return (await session.run(tensors)).outputs;
	}

	/** See Trainer.saveState. */
	async saveState(path: string, metadata: Readonly<Record<string, string>>): Promise<void> {
		await saveTrainerState(this.home, path, metadata);
	}

	/** See Trainer.loadState. */
	async loadState(path: string): Promise<Readonly<Record<string, string>>> {
		return await loadTrainerState(this.home, this.#parameters, path);
	}

	/** Frees the native sessions and what the device holds. */
	async release(): Promise<void> {
		await this.home.release();
		await this.#train.release();
		for (const session of this.#evals.values()) await session.release();
	}

	#demandFinite(loss: number, feeds: NamedArrays): void {
		if (Number.isFinite(loss)) return;
		const bad = [...feeds].find(([, { data }]) => hasNonFinite(data));
		const tensor = bad?.[0] ?? "loss";
		throw new AutodiffError(
			"non-finite",
			`step ${this.home.step}: loss is ${loss}; first bad tensor is "${tensor}"; check the data and the learning rate`,
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
