// The inner loop of aggregation, run in a worker thread or in place: for each chunk of each tensor, read the same range
// of every update, accumulate in order, write the mean. Which thread does a chunk does not change a bit of it.
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { type AggregateKernel, createAggregateKernel } from "./aggregate-kernel.ts";
import type { UpdateDtype } from "./update-dtype.ts";

/** Bytes per read: large enough to hide system calls, small enough to stay in the second-level cache. */
export const CHUNK_BYTES: number = 512 << 10;
/** Files kept open at once; beyond it they are opened for each read. */
const MAX_OPEN_FILES = 256;

/** One tensor: where it is in each input (in the order of `AggregateJob.inputs`) and in the result. */
export interface TensorRange {
	/** As float32. */
	readonly sizeBytes: number;
	readonly inputOffsets: readonly number[];
	readonly outputOffset: number;
}

/** A term of the sum. */
export interface AggregateInput {
	readonly path: string;
	readonly dtype: UpdateDtype;
}

/** Everything a pass needs, as plain data. */
export interface AggregateJob {
	/** Files in the order in which they are summed. */
	readonly inputs: readonly AggregateInput[];
	/** Normalised weights, in the same order. */
	readonly weights: readonly number[];
	readonly tensors: readonly TensorRange[];
	/** Existing file of full size. */
	readonly output: string;
}

/** Which share of the chunks a pass does: those whose index is `index` modulo `count`. */
export interface PassShare {
	readonly index: number;
	readonly count: number;
}

/** Does a share of the chunks; yields after each so that a caller can pause, stop or go on. */
export function* aggregatePass(job: AggregateJob, share: PassShare): Generator<void> {
	const kernel = createAggregateKernel(CHUNK_BYTES);
	using inputs = openInputs(job.inputs.map(({ path }) => path));
	const output = openSync(job.output, "r+");
	try {
		let chunkIndex = 0;
		for (const tensor of job.tensors) {
			for (let start = 0; start < tensor.sizeBytes; start += CHUNK_BYTES) {
				if (chunkIndex++ % share.count !== share.index) continue;
				const sizeBytes = Math.min(CHUNK_BYTES, tensor.sizeBytes - start);
				sumChunk(kernel, job, inputs, tensor, start, sizeBytes);
				writeFully(output, kernel.output.subarray(0, sizeBytes), tensor.outputOffset + start);
				yield;
			}
		}
	} finally {
		closeSync(output);
	}
}

function sumChunk(
	kernel: AggregateKernel,
	job: AggregateJob,
	inputs: InputFiles,
	tensor: TensorRange,
	start: number,
	sizeBytes: number,
): void {
	const target = kernel.input.subarray(0, sizeBytes);
	for (const [index, weight] of job.weights.entries()) {
		const offset = tensor.inputOffsets[index] ?? 0;
		if (job.inputs[index]?.dtype === "bfloat16") {
			// Read into the front half of the buffer and widened in place, from the last element to the first.
			inputs.read(index, target.subarray(0, sizeBytes / 2), offset + start / 2);
			widen(target);
		} else inputs.read(index, target, offset + start);
		kernel.add(sizeBytes, weight, index === 0);
	}
	kernel.finish(sizeBytes);
}

/** The bfloat16 words in the front half of `bytes` become float32 words over all of it. */
function widen(bytes: Uint8Array): void {
	const count = bytes.length / 4;
	const words = new Uint16Array(bytes.buffer, bytes.byteOffset, count);
	const wide = new Uint32Array(bytes.buffer, bytes.byteOffset, count);
	for (let index = count - 1; index >= 0; index--) wide[index] = (words[index] ?? 0) << 16;
}

interface InputFiles extends Disposable {
	read(index: number, target: Uint8Array, position: number): void;
}

function openInputs(paths: readonly string[]): InputFiles {
	const keepOpen = paths.length <= MAX_OPEN_FILES;
	const files: number[] = [];
	const closeAll = (): void => {
		for (const file of files.splice(0)) closeSync(file);
	};
	try {
		if (keepOpen) for (const path of paths) files.push(openSync(path, "r"));
	} catch (error) {
		closeAll();
		throw error;
	}
	return {
		read(index, target, position) {
			const path = paths[index] ?? "";
			const file = files[index] ?? openSync(path, "r");
			try {
				readFully(file, target, position, path);
			} finally {
				if (!keepOpen) closeSync(file);
			}
		},
		[Symbol.dispose]: closeAll,
	};
}

function readFully(file: number, target: Uint8Array, position: number, path: string): void {
	for (let done = 0; done < target.length; ) {
		const count = readSync(file, target, done, target.length - done, position + done);
		if (count === 0) throw new RangeError(`aggregate: ${path} ends before byte ${position + target.length}`);
		done += count;
	}
}

function writeFully(file: number, bytes: Uint8Array, position: number): void {
	for (let done = 0; done < bytes.length; ) {
		done += writeSync(file, bytes, done, bytes.length - done, position + done);
	}
}
