// Parquet's hybrid of runs and bit-packed groups (Apache Parquet format, Encodings.md, "RLE"): the coding of
// levels and of dictionary indices, decoded into typed arrays.

/** Widest value: a dictionary of 16 million entries; and what the bit buffer below holds. */
const MAX_WIDTH = 24;

/** A stretch of bytes with `count` values of `width` bits each. */
export interface RunSpan {
	readonly from: number;
	/** One past its last byte. */
	readonly to: number;
	readonly width: number;
	readonly count: number;
}

/**
 * Decodes the values of `span` into `out` from element 0.
 * @throws RangeError for bytes that end early, runs of nothing or a width above 24.
 */
export function readRuns(
	bytes: Uint8Array,
	{ from, to, width, count }: RunSpan,
	out: Uint8Array | Int32Array,
): void {
	if (width > MAX_WIDTH || to > bytes.length || count > out.length) {
		throw new RangeError(
			`runs of ${count} values of ${width} bits in bytes ${from}..${to} of ${bytes.length}`,
		);
	}
	let at = from;
	for (let done = 0; done < count; ) {
		let header = 0;
		for (let shift = 0; ; shift += 7) {
			const byte = bytes[at++] ?? 0;
			if (at > to || shift > 28) throw new RangeError(`a run header at byte ${at} has no end`);
			header |= (byte & 0x7f) << shift;
			if (byte < 0x80) break;
		}
		const size = header >>> 1;
		if (size === 0) throw new RangeError(`a run of nothing at byte ${at}`);
		if ((header & 1) === 0) {
			const end = Math.min(count, done + size);
			const numBytes = (width + 7) >> 3;
			if (at + numBytes > to) throw new RangeError(`a run at byte ${at} has no value`);
			let value = 0;
			for (let byte = 0; byte < numBytes; byte++) value |= (bytes[at++] ?? 0) << (byte * 8);
			out.fill(value, done, end);
			done = end;
			continue;
		}
		const end = Math.min(count, done + size * 8);
		if (at + (((end - done) * width + 7) >> 3) > to) {
			throw new RangeError(`a group of ${size * 8} values of ${width} bits at byte ${at} ends early`);
		}
		unpack(bytes, at, width, out, done, end);
		at += size * width;
		done = end;
	}
}

function unpack(
	bytes: Uint8Array,
	start: number,
	width: number,
	out: Uint8Array | Int32Array,
	from: number,
	to: number,
): void {
	const mask = (1 << width) - 1;
	let at = start;
	let buffer = 0;
	let numBits = 0;
	for (let index = from; index < to; index++) {
		while (numBits < width) {
			buffer |= (bytes[at++] ?? 0) << numBits;
			numBits += 8;
		}
		out[index] = buffer & mask;
		buffer >>>= width;
		numBits -= width;
	}
}
