// Writer for the part of onnx.proto3 (ONNX 1.16, IR version 10) that we emit. Field numbers are from that file.
import { bytesOf, type DType, type NdArray, type Shape } from "@zk0/arrays";
import type { FileRegion, TensorType } from "../graph.ts";
import type { OnnxAttribute } from "../op.ts";

/** TensorProto.DataType of each dtype. */
export const ONNX_DTYPES: Readonly<Record<DType, number>> = {
	float32: 1,
	uint8: 2,
	int8: 3,
	uint16: 4,
	int16: 5,
	int32: 6,
	int64: 7,
	bool: 9,
	float16: 10,
	float64: 11,
	uint32: 12,
	uint64: 13,
	bfloat16: 16,
};

/** A protobuf message under construction: a list of chunks, joined once at the end. */
export class ProtoMessage {
	readonly #chunks: Uint8Array[] = [];
	#sizeBytes = 0;

	/** Appends an integer field (negative ones as 64-bit two's complement). */
	int(field: number, value: number): this {
		return this.#push(varint(BigInt(field) * 8n)).#push(varint(BigInt(value)));
	}

	/** Appends a float field. */
	float(field: number, value: number): this {
		return this.#push(varint(BigInt(field) * 8n + 5n)).#push(bytesOf(Float32Array.of(value)));
	}

	/** Appends a bytes, string or message field; the bytes are not copied until `finish`. */
	bytes(field: number, value: Uint8Array | string | ProtoMessage): this {
		const chunks =
			value instanceof ProtoMessage
				? value.#chunks
				: [typeof value === "string" ? new TextEncoder().encode(value) : value];
		const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
		this.#push(varint(BigInt(field) * 8n + 2n)).#push(varint(BigInt(sizeBytes)));
		for (const chunk of chunks) this.#push(chunk);
		return this;
	}

	/** The encoded message. */
	finish(): Uint8Array {
		const out = new Uint8Array(this.#sizeBytes);
		let offset = 0;
		for (const chunk of this.#chunks) {
			out.set(chunk, offset);
			offset += chunk.length;
		}
		return out;
	}

	#push(chunk: Uint8Array): this {
		this.#chunks.push(chunk);
		this.#sizeBytes += chunk.length;
		return this;
	}
}

/** Base-128 varint of a 64-bit integer. */
function varint(value: bigint): Uint8Array {
	const bytes: number[] = [];
	let rest = BigInt.asUintN(64, value);
	while (rest > 127n) {
		bytes.push(Number(rest & 127n) | 128);
		rest >>= 7n;
	}
	bytes.push(Number(rest));
	return Uint8Array.from(bytes);
}

/** AttributeProto. */
export function attributeProto(name: string, value: OnnxAttribute): ProtoMessage {
	const message = new ProtoMessage().bytes(1, name);
	if ("int" in value) return message.int(3, value.int).int(20, 2);
	if ("float" in value) return message.float(2, value.float).int(20, 1);
	if ("string" in value) return message.bytes(4, value.string).int(20, 3);
	for (const item of value.ints) message.int(8, item);
	return message.int(20, 7);
}

/** TensorProto with its bytes inside. */
export function tensorProto(name: string, array: NdArray): ProtoMessage {
	return tensorHeader(name, array).bytes(9, bytesOf(array.data));
}

/** TensorProto whose bytes are in a file; `location` is relative to the directory of the model. */
export function externalTensorProto(
	name: string,
	type: TensorType,
	region: Omit<FileRegion, "path"> & { readonly location: string },
): ProtoMessage {
	const entry = (key: string, value: string): ProtoMessage =>
		new ProtoMessage().bytes(1, key).bytes(2, value);
	return tensorHeader(name, type)
		.bytes(13, entry("location", region.location))
		.bytes(13, entry("offset", String(region.offsetBytes)))
		.bytes(13, entry("length", String(region.sizeBytes)))
		.int(14, 1);
}

/** ValueInfoProto of a tensor with a static shape. */
export function valueInfoProto(name: string, type: TensorType): ProtoMessage {
	const tensor = new ProtoMessage().int(1, ONNX_DTYPES[type.dtype]).bytes(2, shapeProto(type.shape));
	return new ProtoMessage().bytes(1, name).bytes(2, new ProtoMessage().bytes(1, tensor));
}

/** ValueInfoProto of a sequence of float32 tensors. */
export function sequenceInfoProto(name: string): ProtoMessage {
	const element = new ProtoMessage().bytes(1, new ProtoMessage().int(1, ONNX_DTYPES.float32));
	return new ProtoMessage()
		.bytes(1, name)
		.bytes(2, new ProtoMessage().bytes(4, new ProtoMessage().bytes(1, element)));
}

function tensorHeader(name: string, type: TensorType): ProtoMessage {
	const message = new ProtoMessage();
	for (const dim of type.shape) message.int(1, dim);
	return message.int(2, ONNX_DTYPES[type.dtype]).bytes(8, name);
}

function shapeProto(shape: Shape): ProtoMessage {
	const message = new ProtoMessage();
	for (const dim of shape) message.bytes(1, new ProtoMessage().int(1, dim));
	return message;
}
