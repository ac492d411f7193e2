// Reading a session's outputs, and the static properties of the golden batch's graphs.
import { type NdArray, toFloat32 } from "@zk0/arrays";
import type { GraphOptions } from "@zk0/policy";
import type { GoldenBatch } from "./feeds.ts";

/** Batch size, cameras and language slots of the batch, and where it starts. */
export function graphOptions({ batchSize, layout, from }: GoldenBatch): GraphOptions {
	return { batchSize, cameras: layout.cameras, languageLength: layout.languageLength, from };
}

/** An output as float32. @throws RangeError when the graph lacks it */
export function floatsOf(outputs: ReadonlyMap<string, NdArray>, name: string): Float32Array {
	const array = outputs.get(name);
	if (array === undefined) throw new RangeError(`the graph has no output ${name}`);
	return toFloat32(array);
}

/** The first number of an output. */
export function scalarOf(outputs: ReadonlyMap<string, NdArray>, name: string): number {
	return floatsOf(outputs, name)[0] ?? Number.NaN;
}
