// The safetensors container: an 8-byte little-endian header length, a JSON header, then the tensors' bytes.
// Format: https://github.com/huggingface/safetensors (README, "Format"). Written with tensors sorted by name,
// so equal tensors give equal files; the reader accepts any order and refuses holes and overlaps.
import { DTYPE_BYTES, type DType } from "./dtype.ts";
import { ArraysError } from "./errors.ts";
import { bytesOf, type NamedArrays, type NdArray, numElements, type Shape, sizeBytes } from "./nd-array.ts";
import { arrayFromBytes } from "./typed-array.ts";

/** Bound on the JSON header, as in the reference implementation: a longer one is an attack or a broken file. */
export const MAX_HEADER_BYTES = 100_000_000;

const PREFIX_BYTES = 8;

const DTYPE_OF_NAME: Readonly<Record<string, DType>> = {
	F32: "float32",
	F64: "float64",
	F16: "float16",
	BF16: "bfloat16",
	I8: "int8",
	U8: "uint8",
	I16: "int16",
	U16: "uint16",
	I32: "int32",
	U32: "uint32",
	I64: "int64",
	U64: "uint64",
	BOOL: "bool",
};
const NAME_OF_DTYPE: ReadonlyMap<DType, string> = new Map(
	Object.entries(DTYPE_OF_NAME).map(([name, dtype]) => [dtype, name]),
);

/** Where one tensor lies; `offsetBytes` counts from the start of the file. */
export interface SafetensorsEntry {
	readonly dtype: DType;
	readonly shape: Shape;
	readonly offsetBytes: number;
	readonly sizeBytes: number;
}

/** A parsed header. */
export interface SafetensorsHeader {
	readonly metadata: Readonly<Record<string, string>>;
	readonly entries: ReadonlyMap<string, SafetensorsEntry>;
	/** Size the whole file must have. */
	readonly fileSizeBytes: number;
}

/**
 * Length in bytes of the prefix and JSON header.
 * @throws ArraysError truncated | too-large
 */
export function safetensorsHeaderSize(prefix: Uint8Array, source: string): number {
	if (prefix.length < PREFIX_BYTES)
		throw new ArraysError("truncated", `${source}: shorter than a safetensors header`);
	const headerBytes = new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES).getBigUint64(0, true);
	if (headerBytes > BigInt(MAX_HEADER_BYTES)) {
		throw new ArraysError(
			"too-large",
			`${source}: safetensors header of ${headerBytes} bytes; not a safetensors file?`,
		);
	}
	return PREFIX_BYTES + Number(headerBytes);
}

/**
 * Parses the prefix and JSON header in `head`; `source` names the file in errors.
 * @throws ArraysError truncated | too-large | bad-header | bad-shape | unsupported-dtype
 */
export function parseSafetensorsHeader(head: Uint8Array, source: string): SafetensorsHeader {
	const dataOffset = safetensorsHeaderSize(head, source);
	if (head.length < dataOffset)
		throw new ArraysError("truncated", `${source}: the safetensors header is cut off`);
	const json = parseJson(head.subarray(PREFIX_BYTES, dataOffset), source);
	const metadata: Record<string, string> = {};
	const entries = new Map<string, SafetensorsEntry>();
	for (const [name, value] of Object.entries(json)) {
		if (name === "__metadata__") Object.assign(metadata, stringValues(value, source));
		else entries.set(name, parseEntry(name, value, dataOffset, source));
	}
	const end = checkContiguous(entries, dataOffset, source);
	return { metadata, entries, fileSizeBytes: end };
}

function parseJson(bytes: Uint8Array, source: string): Record<string, unknown> {
	let parsed: unknown;
	try {
		parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
	} catch (cause) {
		throw new ArraysError("bad-header", `${source}: the safetensors header is not JSON`, { cause });
	}
	return asRecord(parsed, "header", source);
}

function asRecord(value: unknown, what: string, source: string): Record<string, unknown> {
	if (typeof value !== "object" || value === null || Array.isArray(value)) {
		throw new ArraysError("bad-header", `${source}: safetensors ${what} is not an object`);
	}
	return { ...value };
}

function stringValues(value: unknown, source: string): Record<string, string> {
	const out: Record<string, string> = {};
	for (const [key, text] of Object.entries(asRecord(value, "metadata", source))) {
		if (typeof text !== "string")
			throw new ArraysError("bad-header", `${source}: metadata ${key} is not a string`);
		out[key] = text;
	}
	return out;
}

function isIndexList(value: unknown): value is number[] {
	return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function parseEntry(name: string, value: unknown, dataOffset: number, source: string): SafetensorsEntry {
	const { dtype: dtypeName, shape, data_offsets: offsets } = asRecord(value, `entry ${name}`, source);
	const dtype = typeof dtypeName === "string" ? DTYPE_OF_NAME[dtypeName] : undefined;
	if (dtype === undefined) {
		throw new ArraysError(
			"unsupported-dtype",
			`${source}: ${name} has dtype ${String(dtypeName)}, which is not supported`,
		);
	}
	if (!isIndexList(shape) || !isIndexList(offsets) || offsets.length !== 2) {
		throw new ArraysError("bad-header", `${source}: ${name} has a malformed shape or data_offsets`);
	}
	const [begin = 0, end = 0] = offsets;
	if (end - begin !== numElements(shape) * DTYPE_BYTES[dtype]) {
		throw new ArraysError(
			"bad-shape",
			`${source}: ${name} ${dtype}[${shape.join(",")}] does not fill ${end - begin} bytes`,
		);
	}
	return { dtype, shape, offsetBytes: dataOffset + begin, sizeBytes: end - begin };
}

function checkContiguous(
	entries: ReadonlyMap<string, SafetensorsEntry>,
	dataOffset: number,
	source: string,
): number {
	let position = dataOffset;
	for (const [name, entry] of [...entries].sort(
		([, a], [, b]) => a.offsetBytes - b.offsetBytes || a.sizeBytes - b.sizeBytes,
	)) {
		if (entry.offsetBytes !== position) {
			throw new ArraysError(
				"bad-header",
				`${source}: ${name} leaves a hole in the file or overlaps another tensor`,
			);
		}
		position += entry.sizeBytes;
	}
	return position;
}

function compareNames([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
	return a < b ? -1 : 1;
}

/** What a tensor looks like before its bytes are there. */
export interface TensorInfo {
	readonly dtype: DType;
	readonly shape: Shape;
}

/** The prefix and header (padded to 8 bytes with spaces) of a file with these tensors, sorted by name. */
export function encodeSafetensorsHeader(
	infos: ReadonlyMap<string, TensorInfo>,
	metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
	const header: Record<string, unknown> = {};
	if (Object.keys(metadata).length > 0) header["__metadata__"] = metadata;
	let offset = 0;
	for (const [name, { dtype, shape }] of [...infos].sort(compareNames)) {
		const end = offset + sizeBytes(dtype, shape);
		header[name] = { dtype: NAME_OF_DTYPE.get(dtype), shape, data_offsets: [offset, end] };
		offset = end;
	}
	const json = new TextEncoder().encode(JSON.stringify(header));
	const padded = Math.ceil(json.length / 8) * 8;
	const out = new Uint8Array(PREFIX_BYTES + padded).fill(0x20);
	new DataView(out.buffer).setBigUint64(0, BigInt(padded), true);
	out.set(json, PREFIX_BYTES);
	return out;
}

/** The parts of a safetensors file in order: header, then each tensor's bytes (not copied), sorted by name. */
export function* safetensorsParts(
	arrays: NamedArrays,
	metadata: Readonly<Record<string, string>> = {},
): Generator<Uint8Array> {
	yield encodeSafetensorsHeader(arrays, metadata);
	for (const [, array] of [...arrays].sort(compareNames)) yield bytesOf(array.data);
}

/** A whole safetensors file in memory. */
export function encodeSafetensors(
	arrays: NamedArrays,
	metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
	const parts = [...safetensorsParts(arrays, metadata)];
	const out = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
	let offset = 0;
	for (const part of parts) {
		out.set(part, offset);
		offset += part.length;
	}
	return out;
}

/**
 * The arrays of a safetensors file in memory (views of `bytes` where aligned).
 * @throws ArraysError on anything that is not exactly one whole file.
 */
export function decodeSafetensors(
	bytes: Uint8Array,
	source = "safetensors",
): { arrays: Map<string, NdArray>; metadata: Readonly<Record<string, string>> } {
	const header = parseSafetensorsHeader(bytes, source);
	checkFileSize(header, bytes.length, source);
	const arrays = new Map<string, NdArray>();
	for (const [name, { dtype, shape, offsetBytes, sizeBytes: size }] of header.entries) {
		arrays.set(name, arrayFromBytes(dtype, shape, bytes.subarray(offsetBytes, offsetBytes + size)));
	}
	return { arrays, metadata: header.metadata };
}

/** @throws ArraysError truncated | bad-header when the file's size is not what its header says. */
export function checkFileSize(header: SafetensorsHeader, actualBytes: number, source: string): void {
	if (actualBytes < header.fileSizeBytes) {
		throw new ArraysError(
			"truncated",
			`${source}: ${actualBytes} of ${header.fileSizeBytes} bytes are there; copy or download the file again`,
		);
	}
	if (actualBytes > header.fileSizeBytes) {
		throw new ArraysError(
			"bad-header",
			`${source}: ${actualBytes - header.fileSizeBytes} bytes follow the last tensor`,
		);
	}
}
