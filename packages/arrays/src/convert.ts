// Conversions between element types: everything to float32, float32 to bfloat16 (round to nearest even).
import type { NdArray } from "./nd-array.ts";

const FLOAT16_TABLE_SIZE = 65536;

/** IEEE 754 binary16 word to number. */
function float16ToNumber(word: number): number {
	const sign = word & 0x8000 ? -1 : 1;
	const exponent = (word >> 10) & 0x1f;
	const fraction = word & 0x3ff;
	if (exponent === 0) return sign * fraction * 2 ** -24;
	if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
	return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function convertFloat16(words: Uint16Array): Float32Array {
	const out = new Float32Array(words.length);
	if (words.length < FLOAT16_TABLE_SIZE) return out.map((_, index) => float16ToNumber(words[index] ?? 0));
	const table = Float32Array.from({ length: FLOAT16_TABLE_SIZE }, (_, word) => float16ToNumber(word));
	for (let index = 0; index < words.length; index++) out[index] = table[words[index] ?? 0] ?? 0;
	return out;
}

function convertBfloat16(words: Uint16Array): Float32Array {
	const bits = new Uint32Array(words.length);
	for (let index = 0; index < words.length; index++) bits[index] = (words[index] ?? 0) << 16;
	return new Float32Array(bits.buffer);
}

/**
 * The array's elements as float32; float32 input is returned as it is (not copied).
 * Exact for float16, bfloat16, bool and 8/16-bit integers; wider types are rounded.
 */
export function toFloat32(array: NdArray): Float32Array {
	const { data, dtype } = array;
	if (data instanceof Float32Array) return data;
	if (data instanceof Uint16Array && dtype === "float16") return convertFloat16(data);
	if (data instanceof Uint16Array && dtype === "bfloat16") return convertBfloat16(data);
	if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
		return Float32Array.from(data, (element) => Number(element));
	}
	return Float32Array.from(data);
}

/** bfloat16 words nearest to the values, ties to even; NaN stays a quiet NaN. */
export function float32ToBfloat16(values: Float32Array): Uint16Array {
	const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
	const out = new Uint16Array(values.length);
	for (let index = 0; index < bits.length; index++) {
		const word = bits[index] ?? 0;
		const isNaNWord = (word & 0x7fffffff) > 0x7f800000;
		out[index] = isNaNWord ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
	}
	return out;
}
