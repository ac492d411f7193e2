// Records: what a message carries. Integers and floats differ on the wire, so in TypeScript a bigint is an integer
// and a number is a float, always. The order of entries is part of a record's identity.
import type { ChunkSource } from "./chunk-source.ts";

/** A tensor as it travels: its bytes are a complete .npy file when `stype` is NUMPY_STYPE, else opaque. */
export interface FlowerArray {
	/** NumPy's name of the element type, e.g. `float32`; empty in records of the older Client API. */
	readonly dtype: string;
	readonly shape: readonly number[];
	/** How `data` is serialised. */
	readonly stype: string;
	readonly data: ChunkSource;
}

/** The only serialisation that is read and written here. */
export const NUMPY_STYPE = "numpy.ndarray";
/** Serialisation of bfloat16, which NumPy does not have: .npy bytes of the 16-bit words as uint16. zk0 nodes only. */
export const BFLOAT16_STYPE = "zk0.bfloat16";

/** A number or a list of numbers of one kind; bigint in [-2^63, 2^64). */
export type MetricValue = number | bigint | readonly number[] | readonly bigint[];

/** A metric value, or a boolean, text or bytes, or a list of one of them. */
export type ConfigValue =
	| MetricValue
	| boolean
	| string
	| Uint8Array
	| readonly boolean[]
	| readonly string[]
	| readonly Uint8Array[];

/** Tensors by name. */
export interface ArrayRecord {
	readonly kind: "arrays";
	readonly entries: ReadonlyMap<string, FlowerArray>;
}

/** Numbers by name. */
export interface MetricRecord {
	readonly kind: "metrics";
	readonly entries: ReadonlyMap<string, MetricValue>;
}

/** Settings by name. */
export interface ConfigRecord {
	readonly kind: "config";
	readonly entries: ReadonlyMap<string, ConfigValue>;
}

/** Any of the three. */
export type FlowerRecord = ArrayRecord | MetricRecord | ConfigRecord;

/** Records by name: the content of a message. */
export type RecordDict = ReadonlyMap<string, FlowerRecord>;

/** An ArrayRecord with these entries, in this order. */
export function arrayRecord(entries: Iterable<readonly [string, FlowerArray]>): ArrayRecord {
	return { kind: "arrays", entries: new Map(entries) };
}

/** A MetricRecord with these entries, in this order. */
export function metricRecord(entries: Iterable<readonly [string, MetricValue]>): MetricRecord {
	return { kind: "metrics", entries: new Map(entries) };
}

/** A ConfigRecord with these entries, in this order. */
export function configRecord(entries: Iterable<readonly [string, ConfigValue]>): ConfigRecord {
	return { kind: "config", entries: new Map(entries) };
}
