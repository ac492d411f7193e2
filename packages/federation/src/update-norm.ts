// How far an update is from the weights that it was made from: the L2 norm of the difference over all trained tensors,
// and updates that are scaled back to a limit. One piece of each file is in memory at a time; squares are added in
// float64 in the order of names, so equal files give equal norms.
import { encodeSafetensorsHeader, numElements } from "@zk0/arrays";
import { writePartsAtomic } from "@zk0/arrays/node";
import { openTensorReader, type TensorReader } from "./tensor-reader.ts";

const PIECE_ELEMENTS = 1 << 18;

/**
 * The norm of `update` minus `base`, which have the same tensors; without a base that of the update itself, which holds
 * differences. Elements are float32 or bfloat16.
 * @throws FederationError missing-tensor | storage
 */
export async function updateNorm(update: string, base: string | null): Promise<number> {
	await using values = await openTensorReader(update);
	await using start = base === null ? null : await openTensorReader(base);
	let squares = 0;
	for await (const { piece, from } of pieces(values, start)) {
		for (let index = 0; index < piece.length; index++) {
			const difference = (piece[index] ?? 0) - (from?.[index] ?? 0);
			squares += difference * difference;
		}
	}
	return Math.sqrt(squares);
}

/** How an update was clipped. */
export interface Clipping {
	/** Norm before. */
	readonly norm: number;
	readonly limit: number;
}

/** What `clipUpdate` works on: float32 files with the same tensors. */
export interface ClipOptions {
	readonly update: string;
	readonly base: string;
	/** File to make. */
	readonly out: string;
	/** Largest norm of the difference. */
	readonly limit: number;
}

/** More than what rounding can add to a float64 sum of squares. */
const MARGIN = 2 ** -24;

/**
 * Writes `update` to `out` with its difference to `base` scaled to the limit, if it is above. Elements are rounded towards
 * the base, so that rounding never takes the difference over the limit again.
 * @returns null: within the limit, and nothing was written.
 */
export async function clipUpdate(options: ClipOptions): Promise<Clipping | null> {
	const { update, base, limit } = options;
	const norm = await updateNorm(update, base);
	if (norm <= limit) return null;
	await writeScaled(options, (limit / norm) * (1 - MARGIN));
	return { norm, limit };
}

/** Writes base + factor * (update - base), rounded to the neighbour that is nearer to the base. */
async function writeScaled({ update, base, out }: ClipOptions, factor: number): Promise<void> {
	await using values = await openTensorReader(update);
	await using start = await openTensorReader(base);
	async function* parts(): AsyncGenerator<Uint8Array> {
		yield encodeSafetensorsHeader(values.entries);
		const nearer = roundTowards();
		for await (const { piece, from } of pieces(values, start)) {
			for (let index = 0; index < piece.length; index++) {
				const origin = from?.[index] ?? 0;
				piece[index] = nearer(origin + factor * ((piece[index] ?? 0) - origin), origin);
			}
			yield new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
		}
	}
	await writePartsAtomic(out, parts());
}

/** Rounds to float32 without passing beyond the value, seen from an origin that is a float32. */
function roundTowards(): (value: number, origin: number) => number {
	const rounded = new Float32Array(1);
	const bits = new Int32Array(rounded.buffer);
	return (value, origin) => {
		rounded[0] = value;
		const nearest = rounded[0];
		if (Math.abs(nearest - origin) <= Math.abs(value - origin)) return nearest;
		// One step towards the origin: magnitude down, or up when the origin lies farther out on the same side of zero.
		const isOutwards = nearest === 0 || (nearest < 0 === origin < 0 && Math.abs(nearest) < Math.abs(origin));
		bits[0] = (bits[0] ?? 0) + (isOutwards ? 1 : -1);
		return rounded[0];
	};
}

/** All elements of a file in the order of names, with those of the other file at the same places. */
async function* pieces(
	values: TensorReader,
	start: TensorReader | null,
): AsyncGenerator<{ readonly piece: Float32Array; readonly from: Float32Array | null }> {
	for (const [name, { shape }] of values.entries) {
		const total = numElements(shape);
		for (let at = 0; at < total; at += PIECE_ELEMENTS) {
			const count = Math.min(PIECE_ELEMENTS, total - at);
			const piece = await values.read(name, at, count);
			yield { piece, from: start === null ? null : await start.read(name, at, count) };
		}
	}
}
