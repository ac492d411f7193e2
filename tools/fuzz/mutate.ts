// Ways to damage a file: bits, bytes, numbers, pieces. Places are fractions of its length, so that one list of edits
// fits any file; the last bytes (where parquet has its footer) and the first (mp4, safetensors) are hit more often.
import fc from "fast-check";

/** One piece of damage. */
export interface Edit {
	readonly kind: "flip" | "byte" | "number" | "cut" | "insert" | "copy";
	/** Place in the file, 0 to 1. */
	readonly at: number;
	/** What a kind needs of chance. */
	readonly value: number;
}

/** Numbers that headers get wrong. */
const NUMBERS = [
	0, 1, 0x7f, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x10000000, 0x00ffffff,
] as const;

const place = fc.oneof(
	fc.double({ min: 0, max: 1, noNaN: true }),
	fc.double({ min: 0, max: 0.05, noNaN: true }),
	fc.double({ min: 0.9, max: 1, noNaN: true }),
);

/** One to six pieces of damage. */
export const edits: fc.Arbitrary<readonly Edit[]> = fc.array(
	fc.record({
		kind: fc.constantFrom<Edit["kind"][]>(
			"flip",
			"flip",
			"byte",
			"byte",
			"number",
			"number",
			"cut",
			"insert",
			"copy",
		),
		at: place,
		value: fc.nat(),
	}),
	{ minLength: 1, maxLength: 6 },
);

/** A damaged copy of some bytes. */
export function mutate(bytes: Uint8Array, damage: readonly Edit[]): Uint8Array {
	let out = Uint8Array.from(bytes);
	for (const { kind, at, value } of damage) {
		if (out.length === 0) break;
		const offset = Math.min(out.length - 1, Math.floor(at * out.length));
		const size = 1 + (value % 64);
		if (kind === "flip") out[offset] = (out[offset] ?? 0) ^ (1 << (value & 7));
		else if (kind === "byte") out[offset] = value;
		else if (kind === "number") writeNumber(out, offset, value);
		else if (kind === "cut") {
			const end = value % 3 === 0 ? out.length : Math.min(out.length, offset + size);
			out = join(out.subarray(0, offset), out.subarray(end));
		} else if (kind === "insert") {
			const piece = new Uint8Array(size).fill(value & 1 ? 0xff : value >> 3);
			out = join(out.subarray(0, offset), piece, out.subarray(offset));
		} else {
			const from = value % out.length;
			out = join(out.subarray(0, offset), out.slice(from, from + size), out.subarray(offset));
		}
	}
	return out;
}

function writeNumber(out: Uint8Array, offset: number, value: number): void {
	const number = NUMBERS[value % NUMBERS.length] ?? 0;
	const view = new DataView(out.buffer);
	const isLittle = (value & 16) === 0;
	if (offset + 8 <= out.length && (value & 32) !== 0) view.setBigUint64(offset, BigInt(number), isLittle);
	else if (offset + 4 <= out.length) view.setUint32(offset, number, isLittle);
}

function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
	const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
	let at = 0;
	for (const part of parts) {
		out.set(part, at);
		at += part.length;
	}
	return out;
}
