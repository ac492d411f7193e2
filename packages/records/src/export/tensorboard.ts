// Scalars as a TensorBoard event file: TFRecords (length, masked CRC-32C, data, masked CRC-32C) of Event messages, of
// which few fields are used (tensorboard/compat/proto/event.proto: wall_time 1, step 2, file_version 3, summary 5; in it
// value 1 with tag 1 and simple_value 2).
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Scalar } from "./run-tables.ts";

/** What every event file says first. */
const VERSION = "brain.Event:2";
/** RFC 3720, appendix B.4: Castagnoli's polynomial, reflected. */
const POLYNOMIAL = 0x82f63b78;
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
	let value = byte;
	for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
	return value;
});

/** The bytes of an event file; `timeOf` gives a round's time in milliseconds since 1970. */
export function toTensorboard(scalars: readonly Scalar[], timeOf: (round: number) => number): Uint8Array {
	const first = scalars[0] === undefined ? 0 : timeOf(scalars[0].round);
	const events = [
		event(first, (writer) => writer.tag(3, WireType.LengthDelimited).string(VERSION)),
		...scalars.map(({ tag, round, value }) =>
			event(timeOf(round), (writer) => {
				writer.tag(2, WireType.Varint).int64(round);
				writer.tag(5, WireType.LengthDelimited).fork();
				writer.tag(1, WireType.LengthDelimited).fork();
				writer.tag(1, WireType.LengthDelimited).string(tag).tag(2, WireType.Bit32).float(value);
				return writer.join().join();
			}),
		),
	];
	return Buffer.concat(events.map(record));
}

function event(timeMs: number, fill: (writer: BinaryWriter) => BinaryWriter): Uint8Array {
	return fill(new BinaryWriter().tag(1, WireType.Bit64).double(timeMs / 1000)).finish();
}

function record(data: Uint8Array): Uint8Array {
	const framed = Buffer.alloc(data.length + 16);
	framed.writeBigUInt64LE(BigInt(data.length), 0);
	framed.writeUInt32LE(maskedCrc(framed.subarray(0, 8)), 8);
	framed.set(data, 12);
	framed.writeUInt32LE(maskedCrc(data), 12 + data.length);
	return framed;
}

/** TFRecord's mask: a checksum of data that holds checksums would be weak. */
function maskedCrc(data: Uint8Array): number {
	const crc = crc32c(data);
	return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** CRC-32C (RFC 3720). */
export function crc32c(data: Uint8Array): number {
	let crc = 0xffffffff;
	for (const byte of data) crc = (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
	return (crc ^ 0xffffffff) >>> 0;
}
