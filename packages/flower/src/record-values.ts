// MetricRecord and ConfigRecord bodies. An empty list has no element to tell its kind: Flower writes it as a list of
// doubles in a MetricRecord and of booleans in a ConfigRecord, and so does this file.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { FlowerError } from "./errors.ts";
import {
	type ConfigRecordValue,
	type ConfigRecordValueSchema,
	type MetricRecordValue,
	type MetricRecordValueSchema,
	ConfigRecordSchema as WireConfigRecord,
	MetricRecordSchema as WireMetricRecord,
} from "./gen/flwr/proto/recorddict_pb.ts";
import { decodeProtobuf, encodeProtobuf } from "./protobuf.ts";
import {
	type ConfigRecord,
	type ConfigValue,
	configRecord,
	type MetricRecord,
	type MetricValue,
	metricRecord,
} from "./record.ts";

const MAX_SINT64 = 2n ** 63n - 1n;
const MIN_SINT64 = -(2n ** 63n);
const MAX_UINT64 = 2n ** 64n - 1n;

type MetricOneof = NonNullable<MessageInitShape<typeof MetricRecordValueSchema>["value"]>;
type ConfigOneof = NonNullable<MessageInitShape<typeof ConfigRecordValueSchema>["value"]>;

/** The body of a MetricRecord object. @throws TypeError | RangeError for values that the record cannot hold. */
export function encodeMetricRecord(record: MetricRecord): Uint8Array<ArrayBuffer> {
	const items = Array.from(record.entries, ([key, value]) => ({ key, value: { value: metricOneof(value) } }));
	return encodeProtobuf(WireMetricRecord, { items });
}

/** The body of a ConfigRecord object. @throws TypeError | RangeError for values that the record cannot hold. */
export function encodeConfigRecord(record: ConfigRecord): Uint8Array<ArrayBuffer> {
	const items = Array.from(record.entries, ([key, value]) => ({ key, value: { value: configOneof(value) } }));
	return encodeProtobuf(WireConfigRecord, { items });
}

/** @throws FlowerError invalid-argument for bytes that are no MetricRecord, an unset value or a repeated name. */
export function decodeMetricRecord(body: Uint8Array): MetricRecord {
	return metricRecord(uniqueEntries(decodeProtobuf(WireMetricRecord, body).items, metricValue));
}

/** @throws FlowerError invalid-argument for bytes that are no ConfigRecord, an unset value or a repeated name. */
export function decodeConfigRecord(body: Uint8Array): ConfigRecord {
	return configRecord(uniqueEntries(decodeProtobuf(WireConfigRecord, body).items, configValue));
}

function uniqueEntries<W, V>(
	items: readonly { readonly key: string; readonly value?: W | undefined }[],
	read: (value: W) => V | undefined,
): Map<string, V> {
	const entries = new Map<string, V>();
	for (const { key, value: wire } of items) {
		const value = wire === undefined ? undefined : read(wire);
		if (value === undefined) throw new FlowerError("invalid-argument", `Record entry "${key}" has no value.`);
		if (entries.has(key)) throw new FlowerError("invalid-argument", `Record entry "${key}" occurs twice.`);
		entries.set(key, value);
	}
	return entries;
}

function metricValue({ value: { value } }: MetricRecordValue): MetricValue | undefined {
	return typeof value === "object" ? value.vals : value;
}

function configValue({ value: { value } }: ConfigRecordValue): ConfigValue | undefined {
	return typeof value === "object" && "vals" in value ? value.vals : value;
}

function metricOneof(value: MetricValue): MetricOneof {
	if (typeof value === "number") return { case: "double", value };
	if (typeof value === "bigint") return integerOneof(value);
	if (Array.isArray(value)) {
		if (value.every((item) => typeof item === "number"))
			return { case: "doubleList", value: { vals: value } };
		if (value.every((item) => typeof item === "bigint")) return integerListOneof(value);
	}
	throw new TypeError(`MetricRecord: ${describe(value)} is not a number, a bigint or a list of one of them`);
}

function configOneof(value: ConfigValue): ConfigOneof {
	if (typeof value === "boolean") return { case: "bool", value };
	if (typeof value === "string") return { case: "string", value };
	if (value instanceof Uint8Array) return { case: "bytes", value };
	if (Array.isArray(value)) {
		if (value.every((item) => typeof item === "boolean")) return { case: "boolList", value: { vals: value } };
		if (value.every((item) => typeof item === "string"))
			return { case: "stringList", value: { vals: value } };
		if (value.every((item) => item instanceof Uint8Array))
			return { case: "bytesList", value: { vals: value } };
		if (value.every((item) => typeof item === "number")) return metricOneof(value);
		if (value.every((item) => typeof item === "bigint")) return metricOneof(value);
	}
	if (typeof value === "number" || typeof value === "bigint") return metricOneof(value);
	throw new TypeError(`ConfigRecord: ${describe(value)} is not a scalar or a list of scalars of one kind`);
}

function integerOneof(value: bigint): MetricOneof {
	checkInteger(value);
	return value > MAX_SINT64 ? { case: "uint64", value } : { case: "sint64", value };
}

function integerListOneof(values: readonly bigint[]): MetricOneof {
	for (const value of values) checkInteger(value);
	if (!values.some((value) => value > MAX_SINT64)) return { case: "sintList", value: { vals: [...values] } };
	if (values.some((value) => value < 0n))
		throw new RangeError("record: a list cannot hold both negative integers and integers over 2^63 - 1");
	return { case: "uintList", value: { vals: [...values] } };
}

function checkInteger(value: bigint): void {
	if (value < MIN_SINT64 || value > MAX_UINT64)
		throw new RangeError(`record: ${value} does not fit in 64 bits`);
}

function describe(value: unknown): string {
	return Array.isArray(value) ? "a mixed list" : typeof value;
}
