// The WASM kernels of wasm/aggregate.wat on one block of memory: an input buffer that files are read into, a float64
// accumulator and an output buffer. Reused for every chunk, so memory does not grow with the number of updates.
import { WASM_BASE64 } from "./aggregate.wasm.ts";

/** The part of the WebAssembly API used here; the compiler's libraries have it only together with the DOM. */
declare const WebAssembly: {
	readonly Module: new (bytes: Uint8Array) => object;
	readonly Instance: new (module: object) => { readonly exports: unknown };
};

const PAGE_BYTES = 65_536;
const START = 1024;

/** Kernels over buffers of `chunkBytes` float32 bytes. */
export interface AggregateKernel {
	/** Where an input's bytes go, `chunkBytes` long. */
	readonly input: Uint8Array;
	/** Where `finish` leaves the float32 result, `chunkBytes` long. */
	readonly output: Uint8Array;
	/** Adds weight times the first `sizeBytes` of the input to the accumulator; the first term is assigned. */
	add(sizeBytes: number, weight: number, isFirst: boolean): void;
	/** Rounds the accumulator to float32 in `output`. */
	finish(sizeBytes: number): void;
	/** True when the first `sizeBytes` of the input hold neither NaN nor infinity (a ragged end counts as zeros). */
	allFinite(sizeBytes: number): boolean;
}

interface Exports {
	readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
	readonly scale: (input: number, count: number, weight: number, accumulator: number) => void;
	readonly accumulate: (input: number, count: number, weight: number, accumulator: number) => void;
	readonly finish: (accumulator: number, count: number, output: number) => void;
	readonly allFinite: (input: number, count: number) => number;
}

/** New kernels with their own memory; `chunkBytes` is a multiple of 16. */
export function createAggregateKernel(chunkBytes: number): AggregateKernel {
	if (chunkBytes <= 0 || chunkBytes % 16 !== 0) {
		throw new RangeError(`createAggregateKernel: chunkBytes ${chunkBytes} is not a positive multiple of 16`);
	}
	const module = new WebAssembly.Module(Buffer.from(WASM_BASE64, "base64"));
	// The export list of a module that we assemble ourselves.
	const wasm = new WebAssembly.Instance(module).exports as Exports;
	const inputAt = START;
	const outputAt = inputAt + chunkBytes;
	const accumulatorAt = outputAt + chunkBytes;
	const neededBytes = accumulatorAt + 2 * chunkBytes;
	wasm.memory.grow(Math.max(0, Math.ceil((neededBytes - wasm.memory.buffer.byteLength) / PAGE_BYTES)));
	const input = new Uint8Array(wasm.memory.buffer, inputAt, chunkBytes);
	const output = new Uint8Array(wasm.memory.buffer, outputAt, chunkBytes);
	return {
		input,
		output,
		add(sizeBytes, weight, isFirst) {
			const kernel = isFirst ? wasm.scale : wasm.accumulate;
			kernel(inputAt, paddedCount(sizeBytes), weight, accumulatorAt);
		},
		finish: (sizeBytes) => wasm.finish(accumulatorAt, paddedCount(sizeBytes), outputAt),
		allFinite(sizeBytes) {
			const count = paddedCount(sizeBytes);
			input.fill(0, sizeBytes, count * 4);
			return wasm.allFinite(inputAt, count) === 1;
		},
	};
}

/** Float32 elements of `sizeBytes`, rounded up to whole vectors of 4. */
function paddedCount(sizeBytes: number): number {
	return Math.ceil(sizeBytes / 16) * 4;
}
