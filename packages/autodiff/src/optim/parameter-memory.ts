// All trained parameters with their gradients, moments and anchor on one WebAssembly memory: the runtime reads and
// writes views of it, the kernels update it in place. The memory never grows, which would detach the views; pages that
// are never touched (anchor, micro-batch sums) cost no physical memory.
import { type NamedArrays, type NdArray, ndArray, numElements, type Shape } from "@zk0/arrays";
import { AutodiffError } from "../errors.ts";
import type { TensorType } from "../graph.ts";
import { type AdamWOptions, adamwScalars, clipScale } from "./adamw.ts";
import { checkOptimizerState, checkParameterArrays } from "./check-parameters.ts";
import { createKernels, type OptimizerKernels, type Regions } from "./kernels.ts";

const PAGE_BYTES = 65536;
/** Tensors start at multiples of a cache line, and the kernels' loops need no tail. */
const ALIGN_BYTES = 64;
/** Parameters, first and second moments, gradients, micro-batch sums, anchor. */
const NUM_REGIONS = 6;
/** Addresses are 32-bit; the very last page stays unused so that an end address never wraps to 0. */
const MAX_MEMORY_BYTES = 65535 * PAGE_BYTES;

interface Slot {
	readonly shape: Shape;
	/** Relative to the start of a region. */
	readonly offsetBytes: number;
	readonly paddedBytes: number;
}

/** What one update did. */
export interface UpdateResult {
	readonly proximalLoss: number;
	readonly gradNorm: number;
}

/** Parameters and optimizer state by name. Views stay valid for the lifetime of the object. */
export class ParameterMemory {
	readonly #slots = new Map<string, Slot>();
	readonly #regionBytes: number;
	readonly #buffer: ArrayBuffer;
	readonly #kernels: OptimizerKernels;
	readonly #regions: Regions;
	readonly #sums: number;
	readonly #anchor: number;
	#mu = 0;
	#step = 0;

	/** Lays out zeroed float32 tensors. @throws AutodiffError "too-large" beyond 4 GiB for all regions. */
	constructor(types: ReadonlyMap<string, TensorType>) {
		let regionBytes = 0;
		for (const [name, { shape }] of types) {
			const paddedBytes = Math.ceil((4 * numElements(shape)) / ALIGN_BYTES) * ALIGN_BYTES;
			this.#slots.set(name, { shape, offsetBytes: regionBytes, paddedBytes });
			regionBytes += paddedBytes;
		}
		if (regionBytes * NUM_REGIONS > MAX_MEMORY_BYTES) {
			throw new AutodiffError(
				"too-large",
				`${regionBytes / 4} trained parameters need ${regionBytes * NUM_REGIONS} bytes, one WebAssembly memory has ${MAX_MEMORY_BYTES}; freeze more of the model`,
			);
		}
		const numPages = Math.max(1, Math.ceil((regionBytes * NUM_REGIONS) / PAGE_BYTES));
		this.#regionBytes = regionBytes;
		const { buffer, kernels } = createKernels(numPages);
		this.#buffer = buffer;
		this.#kernels = kernels;
		const region = (index: number): number => index * regionBytes;
		this.#regions = {
			parameters: region(0),
			firstMoments: region(1),
			secondMoments: region(2),
			gradients: region(3),
		};
		this.#sums = region(4);
		this.#anchor = region(5);
	}

	/** Names in order of layout. */
	get names(): string[] {
		return [...this.#slots.keys()];
	}

	/** Bytes of the parameters. */
	get sizeBytes(): number {
		return this.#regionBytes;
	}

	/** Updates made so far. */
	get step(): number {
		return this.#step;
	}

	/** The live parameter. */
	parameter(name: string): NdArray<"float32"> {
		return this.#view(this.#regions.parameters, name);
	}

	/** The live gradient. */
	gradient(name: string): NdArray<"float32"> {
		return this.#view(this.#regions.gradients, name);
	}

	/** Sets all parameters. @throws AutodiffError "bad-parameters" or "non-finite"; nothing is changed then. */
	load(arrays: NamedArrays): void {
		checkParameterArrays(this.#shapes, arrays, (name) => name);
		this.#fill(this.#regions.parameters, arrays, "");
	}

	/** Copies of all parameters. */
	read(): Map<string, NdArray<"float32">> {
		return new Map(this.names.map((name) => [name, copy(this.parameter(name))]));
	}

	/** Zero moments and step count. */
	resetOptimizer(): void {
		new Float32Array(this.#buffer, this.#regions.firstMoments, this.#regionBytes / 2).fill(0);
		this.#step = 0;
	}

	/** Copies of the moments, named as in torch. */
	readMoments(): Map<string, NdArray<"float32">> {
		const moments = new Map<string, NdArray<"float32">>();
		for (const name of this.#slots.keys()) {
			moments.set(`exp_avg:${name}`, copy(this.#view(this.#regions.firstMoments, name)));
			moments.set(`exp_avg_sq:${name}`, copy(this.#view(this.#regions.secondMoments, name)));
		}
		return moments;
	}

	/** The live moments of a parameter. */
	moments(name: string): { readonly first: NdArray<"float32">; readonly second: NdArray<"float32"> } {
		const { firstMoments, secondMoments } = this.#regions;
		return { first: this.#view(firstMoments, name), second: this.#view(secondMoments, name) };
	}

	/** Sets moments and step count. @throws AutodiffError as `load`, also for a step that is no count. */
	loadOptimizer(step: number, moments: NamedArrays): void {
		checkOptimizerState(this.#shapes, step, moments);
		this.#fill(this.#regions.firstMoments, moments, "exp_avg:");
		this.#fill(this.#regions.secondMoments, moments, "exp_avg_sq:");
		this.#step = step;
	}

	/** Current parameters become the anchor of the proximal term; 0 switches the term off. */
	setProximal(mu: number): void {
		if (!(mu >= 0) || !Number.isFinite(mu)) throw new RangeError(`setProximal: mu ${mu} must be at least 0`);
		if (mu > 0) this.#copyRegion(this.#regions.parameters, this.#anchor);
		this.#mu = mu;
	}

	/** Adds the gradients, times `weight`, to the sum over micro-batches; the first one starts the sum. */
	accumulate(weight: number, first: boolean): void {
		this.#kernels.accumulate(this.#sums, this.#regions.gradients, this.#regionBytes, weight, first);
	}

	/** The sum over micro-batches becomes the gradients. */
	takeAccumulated(): void {
		this.#copyRegion(this.#sums, this.#regions.gradients);
	}

	/**
	 * Proximal term, norm, clipping and AdamW on the gradients.
	 * @throws AutodiffError "non-finite" that names the first bad gradient; parameters and moments are then as before.
	 */
	update(learningRate: number, adamw: AdamWOptions, clipNorm: number | null): UpdateResult {
		let proximalLoss = 0;
		if (this.#mu > 0) {
			const distance = this.#kernels.proximal(this.#regions, this.#anchor, this.#regionBytes, this.#mu);
			proximalLoss = (this.#mu / 2) * distance;
		}
		const gradNorm = this.#gradientNorm();
		const scalars = adamwScalars(this.#step + 1, learningRate, adamw);
		const gradScale = clipScale(gradNorm, clipNorm);
		for (const { offsetBytes, paddedBytes } of this.#slots.values()) {
			const regions = {
				parameters: this.#regions.parameters + offsetBytes,
				firstMoments: this.#regions.firstMoments + offsetBytes,
				secondMoments: this.#regions.secondMoments + offsetBytes,
				gradients: this.#regions.gradients + offsetBytes,
			};
			this.#kernels.adamw(regions, paddedBytes, { ...adamw, ...scalars, gradScale });
		}
		this.#step++;
		return { proximalLoss, gradNorm };
	}

	/** Copies checked arrays into a region. */
	#fill(region: number, arrays: NamedArrays, prefix: string): void {
		for (const name of this.#slots.keys()) {
			const data = arrays.get(prefix + name)?.data;
			if (data instanceof Float32Array) this.#view(region, name).data.set(data);
		}
	}

	get #shapes(): Map<string, Shape> {
		return new Map([...this.#slots].map(([name, { shape }]) => [name, shape]));
	}

	/** L2 norm of all gradients. @throws AutodiffError "non-finite" that names the first bad one */
	#gradientNorm(): number {
		let sum = 0;
		for (const [name, { offsetBytes, paddedBytes }] of this.#slots) {
			sum += this.#kernels.sumSquares(this.#regions.gradients + offsetBytes, paddedBytes);
			if (Number.isFinite(sum)) continue;
			const tensor = `grad:${name}`;
			throw new AutodiffError(
				"non-finite",
				`step ${this.#step}: gradient norm is ${Math.sqrt(sum)}; first bad tensor is "${tensor}"`,
				{ tensor },
			);
		}
		return Math.sqrt(sum);
	}

	#copyRegion(from: number, to: number): void {
		new Uint8Array(this.#buffer).copyWithin(to, from, from + this.#regionBytes);
	}

	#view(region: number, name: string): NdArray<"float32"> {
		const { shape, offsetBytes } = this.#slotOf(name);
		const address = region + offsetBytes;
		return ndArray("float32", shape, new Float32Array(this.#buffer, address, numElements(shape)));
	}

	#slotOf(name: string): Slot {
		const slot = this.#slots.get(name);
		if (slot === undefined) throw new RangeError(`parameter memory has no tensor "${name}"`);
		return slot;
	}
}

function copy(array: NdArray<"float32">): NdArray<"float32"> {
	return { ...array, data: array.data.slice() };
}
