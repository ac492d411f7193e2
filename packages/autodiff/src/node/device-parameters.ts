// Parameters, gradients and AdamW moments that stay on the device between steps, so that weights do not cross the bus:
// every step replaces tensors by the kernels' results and disposes the old ones.
import { float32Array, type NamedArrays, type NdArray, type Shape } from "@zk0/arrays";
import type * as ort from "onnxruntime-node";
import { AutodiffError } from "../errors.ts";
import type { TensorType } from "../graph.ts";
import { type AdamWOptions, adamwScalars, clipScale } from "../optim/adamw.ts";
import { checkOptimizerState, checkParameterArrays } from "../optim/check-parameters.ts";
import type { UpdateResult } from "../optim/parameter-memory.ts";
import type { OptimizerState } from "../trainer.ts";
import { DeviceKernels } from "./device-kernels.ts";
import { type OrtSession, type SessionSettings, type Tensors, toTensor, toTensors } from "./ort-session.ts";
import type { ParameterHome } from "./parameter-home.ts";

type Role = "w" | "m" | "v" | "g" | "sum" | "anchor";

/** Parameters on a device whose tensors onnxruntime-node can hold (WebGPU). */
export class DeviceParameters implements ParameterHome {
	readonly #shapes: ReadonlyMap<string, Shape>;
	readonly #kernels: DeviceKernels;
	readonly #held = new Map<string, ort.Tensor>();
	#mu = 0;
	#step = 0;

	private constructor(shapes: ReadonlyMap<string, Shape>, kernels: DeviceKernels) {
		this.#shapes = shapes;
		this.#kernels = kernels;
	}

	/** Zeros on the device. */
	static async create(
		types: ReadonlyMap<string, TensorType>,
		settings: SessionSettings,
		adamw: AdamWOptions,
	): Promise<DeviceParameters> {
		const shapes = new Map([...types].map(([name, { shape }]) => [name, shape]));
		const home = new DeviceParameters(shapes, new DeviceKernels(settings, adamw));
		for (const name of shapes.keys()) await home.#clear("w", name);
		await home.resetOptimizer();
		return home;
	}

	get step(): number {
		return this.#step;
	}

	feeds(): Tensors {
		return Object.fromEntries([...this.#shapes.keys()].map((name) => [name, this.#get("w", name)]));
	}

	async runTrain(session: OrtSession, batch: NamedArrays): Promise<Map<string, NdArray>> {
		const { outputs, resident } = await session.run({ ...toTensors(batch), ...this.feeds() });
		for (const name of this.#shapes.keys()) {
			const gradient = resident[`grad:${name}`];
			if (gradient === undefined) throw new RangeError(`a run left no gradient of "${name}" on the device`);
			this.#set("g", name, gradient);
		}
		return outputs;
	}

	async load(arrays: NamedArrays): Promise<void> {
		checkParameterArrays(this.#shapes, arrays, (name) => name);
		for (const name of this.#shapes.keys()) await this.#upload("w", name, arrays.get(name));
	}

	async read(): Promise<Map<string, NdArray<"float32">>> {
		return this.#download("w", (name) => name);
	}

	async resetOptimizer(): Promise<void> {
		for (const name of this.#shapes.keys()) {
			await this.#clear("m", name);
			await this.#clear("v", name);
		}
		this.#step = 0;
	}

	async readOptimizer(): Promise<OptimizerState> {
		const first = await this.#download("m", (name) => `exp_avg:${name}`);
		const second = await this.#download("v", (name) => `exp_avg_sq:${name}`);
		return { step: this.#step, moments: new Map([...first, ...second]) };
	}

	async loadOptimizer(state: OptimizerState): Promise<void> {
		checkOptimizerState(this.#shapes, state.step, state.moments);
		for (const name of this.#shapes.keys()) {
			await this.#upload("m", name, state.moments.get(`exp_avg:${name}`));
			await this.#upload("v", name, state.moments.get(`exp_avg_sq:${name}`));
		}
		this.#step = state.step;
	}

	async view(): Promise<{ weights: NamedArrays; optimizer: OptimizerState }> {
		return { weights: await this.read(), optimizer: await this.readOptimizer() };
	}

	async setProximal(mu: number): Promise<void> {
		if (!(mu >= 0) || !Number.isFinite(mu)) throw new RangeError(`setProximal: mu ${mu} must be at least 0`);
		if (mu > 0) {
			for (const [name, shape] of this.#shapes) {
				const { y } = await this.#kernels.run("copy", shape, { x: this.#get("w", name) });
				this.#set("anchor", name, y);
			}
		}
		this.#mu = mu;
	}

	async accumulate(weight: number, first: boolean): Promise<void> {
		for (const [name, shape] of this.#shapes) {
			const feeds = { x: this.#get("g", name), weight: scalar(weight) };
			const { y } = first
				? await this.#kernels.run("scale", shape, feeds)
				: await this.#kernels.run("addScaled", shape, { ...feeds, sum: this.#get("sum", name) });
			this.#set("sum", name, y);
		}
	}

	async takeAccumulated(): Promise<void> {
		for (const name of this.#shapes.keys()) {
			const sum = this.#get("sum", name);
			this.#held.delete(keyOf("sum", name));
			this.#set("g", name, sum);
		}
	}

	async update(learningRate: number, adamw: AdamWOptions, clipNorm: number | null): Promise<UpdateResult> {
		const proximalLoss = this.#mu > 0 ? await this.#addProximal() : 0;
		const gradNorm = await this.#gradientNorm();
		const { decay, stepSize, rootScale } = adamwScalars(this.#step + 1, learningRate, adamw);
		const scalars = {
			gradScale: scalar(clipScale(gradNorm, clipNorm)),
			decay: scalar(decay),
			stepSize: scalar(stepSize),
			rootScale: scalar(rootScale),
		};
		for (const [name, shape] of this.#shapes) {
			const feeds: Tensors = { ...scalars };
			for (const role of ["w", "m", "v", "g"] as const) feeds[role] = this.#get(role, name);
			const next = await this.#kernels.run("adamw", shape, feeds);
			for (const role of ["w", "m", "v"] as const) this.#set(role, name, next[`next ${role}`]);
		}
		this.#step++;
		return { proximalLoss, gradNorm };
	}

	async release(): Promise<void> {
		for (const tensor of this.#held.values()) tensor.dispose();
		this.#held.clear();
		await this.#kernels.release();
	}

	async #addProximal(): Promise<number> {
		let squares = 0;
		for (const [name, shape] of this.#shapes) {
			const feeds = {
				g: this.#get("g", name),
				w: this.#get("w", name),
				anchor: this.#get("anchor", name),
				mu: scalar(this.#mu),
			};
			const { y, distance } = await this.#kernels.run("proximal", shape, feeds);
			if (distance !== undefined) {
				squares += (await this.#kernels.fetch("sumSquares", shape, { x: distance }))[0] ?? 0;
				distance.dispose();
			}
			this.#set("g", name, y);
		}
		return (this.#mu / 2) * squares;
	}

	async #gradientNorm(): Promise<number> {
		let squares = 0;
		for (const [name, shape] of this.#shapes) {
			const [square = Number.NaN] = await this.#kernels.fetch("sumSquares", shape, {
				x: this.#get("g", name),
			});
			if (!Number.isFinite(square)) {
				const tensor = `grad:${name}`;
				throw new AutodiffError(
					"non-finite",
					`step ${this.#step}: the norm of gradient "${tensor}" is ${square}`,
					{ tensor },
				);
			}
			squares += square;
		}
		return Math.sqrt(squares);
	}

	async #download(role: Role, named: (name: string) => string): Promise<Map<string, NdArray<"float32">>> {
		const arrays = new Map<string, NdArray<"float32">>();
		for (const [name, shape] of this.#shapes) {
			const data = await this.#kernels.fetch("fetch", shape, { x: this.#get(role, name) });
			arrays.set(named(name), float32Array(shape, data));
		}
		return arrays;
	}

	async #upload(role: Role, name: string, array: NdArray | undefined): Promise<void> {
		if (array === undefined) throw new RangeError(`no array for "${name}"`);
		const { y } = await this.#kernels.run("copy", array.shape, { x: toTensor(array) });
		this.#set(role, name, y);
	}

	async #clear(role: Role, name: string): Promise<void> {
		const shape = this.#shapes.get(name) ?? [];
		const length = shape.reduce((product, dim) => product * dim, 1);
		await this.#upload(role, name, float32Array(shape, new Float32Array(length)));
	}

	#get(role: Role, name: string): ort.Tensor {
		const tensor = this.#held.get(keyOf(role, name));
		if (tensor === undefined) throw new RangeError(`the device holds no ${role} of "${name}"`);
		return tensor;
	}

	#set(role: Role, name: string, tensor: ort.Tensor | undefined): void {
		if (tensor === undefined) throw new RangeError(`a kernel gave no ${role} of "${name}"`);
		const key = keyOf(role, name);
		this.#held.get(key)?.dispose();
		this.#held.set(key, tensor);
	}
}

function keyOf(role: Role, name: string): string {
	return `${role} ${name}`;
}

function scalar(value: number): ort.Tensor {
	return toTensor(float32Array([], [value]));
}
