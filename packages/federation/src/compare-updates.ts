// How the updates of a round lie to each other: the cosine between each two sites' changes, and between each site's and the
// mean of the others'. Near 0 is ordinary for sites with different tasks; well below it, a site pulls away from the
// others. Looked at are blocks spread evenly over every tensor, at most a fixed number of elements in all, so that a round costs
// the same whatever the model's size. Float64 sums in the order of names: equal files give equal numbers.
import { numElements } from "@zk0/arrays";
import { throwIfCancelled } from "./errors.ts";
import { storageError } from "./storage-error.ts";
import { openTensorReader, type TensorReader } from "./tensor-reader.ts";

/** How the updates of a round lie to each other. */
export interface UpdateComparison {
	/** Elements that were looked at in each update, of `numTotal`. */
	readonly numElements: number;
	readonly numTotal: number;
	/** In the order of the updates. */
	readonly sites: readonly {
		readonly site: string;
		/** L2 norm of its change; an estimate where not all elements were looked at and the run does not clip. */
		readonly norm: number;
		/** Cosine with the mean of the others' changes, -1 to 1; null: it was alone, or one of both does not move. */
		readonly alignment: number | null;
	}[];
	/**
	 * Row i holds the cosines of site i with the sites 0 to i - 1; null in it: one of both does not move. Null: more than
	 * {@link MAX_PAIRED_SITES} sites.
	 */
	readonly cosines: readonly (readonly (number | null)[])[] | null;
}

/** What is compared. */
export interface CompareOptions {
	/** Files with the same tensors, float32 or bfloat16. */
	readonly updates: readonly { readonly site: string; readonly path: string }[];
	/** The weights that they were made from; null: the files hold differences. */
	readonly base: string | null;
	/** Elements to look at in each file. @default at most 2^18, and 2^22 in all files together */
	readonly maxElements?: number;
	readonly signal?: AbortSignal | undefined;
}

/** With more sites only the cosines with the mean of the others are told: the log grows with the pairs. */
export const MAX_PAIRED_SITES = 32;

/** The error of a cosine is about one over the square root: 0.002. */
const MAX_ELEMENTS = 1 << 18;
const MAX_ELEMENTS_OF_ALL = 1 << 22;
/** Read at once: enough that a disk is not asked for every number, little enough to spread over a tensor. */
const BLOCK_ELEMENTS = 4096;

/**
 * Compares the changes of a round.
 * @throws FederationError missing-tensor | storage | cancelled; ArraysError when a file is none
 */
export async function compareUpdates(options: CompareOptions): Promise<UpdateComparison> {
	try {
		return await compare(options);
	} catch (error) {
		throw storageError(error, "comparison of updates");
	}
}

async function compare({
	updates,
	base,
	signal,
	maxElements = Math.min(MAX_ELEMENTS, Math.floor(MAX_ELEMENTS_OF_ALL / Math.max(1, updates.length))),
}: CompareOptions): Promise<UpdateComparison> {
	await using files = await openAll(updates.map(({ path }) => path));
	await using start = base === null ? null : await openTensorReader(base);
	const { readers } = files;
	const sums = new Sums(readers.length);
	const { blocks, numLooked, numTotal } = sampled(readers[0], maxElements);
	for (const { name, at, count, standsFor } of blocks) {
		throwIfCancelled(signal, "comparison of updates");
		const from = start === null ? null : await start.read(name, at, count);
		const changes: Float32Array[] = [];
		for (const reader of readers) {
			const piece = await reader.read(name, at, count);
			if (from !== null) subtract(piece, from);
			changes.push(piece);
		}
		sums.add(changes, standsFor);
	}
	return {
		numElements: numLooked,
		numTotal,
		sites: updates.map(({ site }, index) => ({ site, ...sums.siteAt(index) })),
		cosines: sums.cosines(),
	};
}

/** The products that the cosines are made of. */
class Sums {
	/** Squares of each change: of what was looked at, and estimated for all of it. */
	readonly #squares: Float64Array;
	readonly #allSquares: Float64Array;
	/** Products with the sum of all changes, and its own square. */
	readonly #withSum: Float64Array;
	#sumSquared = 0;
	/** Products of pairs: that of i and j < i at i * (i - 1) / 2 + j. Null: too many sites. */
	readonly #pairs: Float64Array | null;

	constructor(numSites: number) {
		this.#squares = new Float64Array(numSites);
		this.#allSquares = new Float64Array(numSites);
		this.#withSum = new Float64Array(numSites);
		this.#pairs = numSites > MAX_PAIRED_SITES ? null : new Float64Array((numSites * (numSites - 1)) / 2);
	}

	/** Adds the changes in one block, each element of which stands for so many of its tensor. */
	add(changes: readonly Float32Array[], standsFor: number): void {
		const sum = new Float64Array(changes[0]?.length ?? 0);
		for (const change of changes) addTo(sum, change);
		this.#sumSquared += sum.reduce((total, value) => total + value * value, 0);
		let pair = 0;
		for (const [index, change] of changes.entries()) {
			const square = dot(change, change);
			increase(this.#squares, index, square);
			increase(this.#allSquares, index, square * standsFor);
			increase(this.#withSum, index, dotWithSum(change, sum));
			if (this.#pairs === null) continue;
			for (const other of changes.slice(0, index)) increase(this.#pairs, pair++, dot(change, other));
		}
	}

	siteAt(index: number): { norm: number; alignment: number | null } {
		const [square, product] = [this.#squares[index] ?? 0, this.#withSum[index] ?? 0];
		const others = this.#sumSquared - 2 * product + square;
		// What cancellation leaves of others that add up to nothing is no direction.
		const isKnown = this.#squares.length > 1 && others > this.#sumSquared * 1e-12;
		return {
			norm: rounded(Math.sqrt(this.#allSquares[index] ?? 0)),
			alignment: isKnown ? cosine(product - square, square, others) : null,
		};
	}

	cosines(): (number | null)[][] | null {
		const pairs = this.#pairs;
		if (pairs === null) return null;
		return Array.from(this.#squares, (square, index) => {
			const first = (index * (index - 1)) / 2;
			const row = Array.from(pairs.subarray(first, first + index));
			return row.map((product, other) => cosine(product, square, this.#squares[other] ?? 0));
		});
	}
}

/** A part of every file. */
interface Block {
	readonly name: string;
	readonly at: number;
	readonly count: number;
	/** Elements of the tensor for each one that is looked at. */
	readonly standsFor: number;
}

/** Blocks spread over each tensor in proportion to its size. */
function sampled(reader: TensorReader | undefined, maxElements: number) {
	const sizes = [...(reader?.entries ?? [])].map(([name, { shape }]) => ({ name, size: numElements(shape) }));
	const numTotal = sizes.reduce((sum, { size }) => sum + size, 0);
	const share = Math.min(1, maxElements / Math.max(1, numTotal));
	const blocks: Block[] = [];
	for (const { name, size } of sizes) {
		const wanted = Math.ceil(size * share);
		const numBlocks = Math.ceil(wanted / BLOCK_ELEMENTS);
		const parts = Array.from({ length: numBlocks }, (_, index) => {
			const at = Math.floor((index * size) / numBlocks);
			const end = Math.floor(((index + 1) * size) / numBlocks);
			return { name, at, count: Math.min(end - at, Math.ceil(wanted / numBlocks)) };
		});
		const looked = parts.reduce((sum, { count }) => sum + count, 0);
		for (const part of parts) blocks.push({ ...part, standsFor: size / looked });
	}
	return { blocks, numLooked: blocks.reduce((sum, { count }) => sum + count, 0), numTotal };
}

async function openAll(
	paths: readonly string[],
): Promise<AsyncDisposable & { readonly readers: readonly TensorReader[] }> {
	const readers: TensorReader[] = [];
	const close = async (): Promise<void> => {
		for (const reader of readers.splice(0)) await reader[Symbol.asyncDispose]();
	};
	try {
		for (const path of paths) readers.push(await openTensorReader(path));
	} catch (error) {
		await close();
		throw error;
	}
	return { readers, [Symbol.asyncDispose]: close };
}

function cosine(product: number, square: number, otherSquare: number): number | null {
	if (square === 0 || otherSquare === 0) return null;
	return rounded(Math.max(-1, Math.min(1, product / Math.sqrt(square * otherSquare))));
}

/** Seven digits: more than a sample knows, and short in a log. */
function rounded(value: number): number {
	return Number(value.toPrecision(7));
}

// One function for each kind of array: an engine compiles those well.

function dot(a: Float32Array, b: Float32Array): number {
	let sum = 0;
	for (let at = 0; at < a.length; at++) sum += (a[at] ?? 0) * (b[at] ?? 0);
	return sum;
}

function dotWithSum(a: Float32Array, b: Float64Array): number {
	let sum = 0;
	for (let at = 0; at < a.length; at++) sum += (a[at] ?? 0) * (b[at] ?? 0);
	return sum;
}

function addTo(sum: Float64Array, values: Float32Array): void {
	for (let at = 0; at < sum.length; at++) sum[at] = (sum[at] ?? 0) + (values[at] ?? 0);
}

function subtract(values: Float32Array, from: Float32Array): void {
	for (let at = 0; at < values.length; at++) values[at] = (values[at] ?? 0) - (from[at] ?? 0);
}

function increase(array: Float64Array, at: number, by: number): void {
	array[at] = (array[at] ?? 0) + by;
}
