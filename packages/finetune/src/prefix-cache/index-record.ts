// The records of a segment's index file: 64 bytes each, little-endian, each with its own checksum. A record is what
// makes an entry exist: it is written after the entry's bytes, so whatever a kill leaves without one is not there.
//   0 magic  4 kind  8 key (SHA-256)  40 offset  48 length  52 CRC-32 of the bytes  56 zero  60 CRC-32 of the record
import { crc32 } from "node:zlib";

/** Size of one record. */
export const RECORD_BYTES = 64;

const MAGIC = 0x31584b5a;
const KEY_BYTES = 32;
const NO_KEY = "0".repeat(2 * KEY_BYTES);

/** Kinds by their number in the file. */
const KINDS = ["segment", "entry", "drop", "seal"] as const;

/** Where an entry's bytes are. */
export interface EntryPlace {
	/** In the segment's data file. */
	readonly offset: number;
	readonly length: number;
	/** CRC-32 of the bytes. */
	readonly checksum: number;
}

/** A record of an index file. */
export type IndexRecord =
	/** The first record: the writer may fill the data file up to this size. */
	| { readonly kind: "segment"; readonly limitBytes: number }
	/** Bytes of `key` (64 hex digits). */
	| ({ readonly kind: "entry"; readonly key: string } & EntryPlace)
	/** The entry at this offset is damaged and no longer there. */
	| { readonly kind: "drop"; readonly key: string; readonly offset: number }
	/** The writer is done with this segment. */
	| { readonly kind: "seal" };

/** The bytes of a record. */
export function encodeRecord(record: IndexRecord): Uint8Array {
	const bytes = Buffer.alloc(RECORD_BYTES);
	bytes.writeUInt32LE(MAGIC, 0);
	bytes.writeUInt32LE(KINDS.indexOf(record.kind), 4);
	bytes.write("key" in record ? record.key : NO_KEY, 8, KEY_BYTES, "hex");
	if (record.kind === "segment") bytes.writeBigUInt64LE(BigInt(record.limitBytes), 40);
	if ("offset" in record) bytes.writeBigUInt64LE(BigInt(record.offset), 40);
	if (record.kind === "entry") {
		bytes.writeUInt32LE(record.length, 48);
		bytes.writeUInt32LE(record.checksum, 52);
	}
	bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
	return bytes;
}

/** The record in `bytes`, or null for anything that is not one. */
function decodeRecord(bytes: Buffer): IndexRecord | null {
	if (bytes.readUInt32LE(0) !== MAGIC || bytes.readUInt32LE(60) !== crc32(bytes.subarray(0, 60))) return null;
	const kind = KINDS[bytes.readUInt32LE(4)];
	const key = bytes.toString("hex", 8, 8 + KEY_BYTES);
	const offset = Number(bytes.readBigUInt64LE(40));
	switch (kind) {
		case "segment":
			return { kind, limitBytes: offset };
		case "entry":
			return { kind, key, offset, length: bytes.readUInt32LE(48), checksum: bytes.readUInt32LE(52) };
		case "drop":
			return { kind, key, offset };
		case "seal":
			return { kind };
		case undefined:
			return null;
		default:
			throw new RangeError(`index record: no reader for kind ${String(kind)}`);
	}
}

/** What a stretch of an index file holds. */
export interface DecodedRecords {
	readonly records: readonly IndexRecord[];
	/** True when a whole record was not one: everything after it is ignored. */
	readonly isDamaged: boolean;
}

/** The whole records at the start of `bytes`; a shorter rest is one that is being written, or was torn off. */
export function decodeRecords(bytes: Uint8Array): DecodedRecords {
	const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const records: IndexRecord[] = [];
	for (let at = 0; at + RECORD_BYTES <= buffer.length; at += RECORD_BYTES) {
		const record = decodeRecord(buffer.subarray(at, at + RECORD_BYTES));
		if (record === null) return { records, isDamaged: true };
		records.push(record);
	}
	return { records, isDamaged: false };
}
