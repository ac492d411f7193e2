// One segment: a data file of entries put behind each other and an index file of records. It has one writer, the
// process in its name, and any number of readers. It is never changed in place; eviction deletes it whole.
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { isProcessAlive } from "@zk0/arrays/node";
import { errnoOf, type FileSystem, type OpenFile, readFully, writeFully } from "./file-system.ts";
import {
	decodeRecords,
	type EntryPlace,
	encodeRecord,
	type IndexRecord,
	RECORD_BYTES,
} from "./index-record.ts";

const DATA = ".data";
const INDEX = ".index";

/** Appending never creates: a segment that was evicted must stay gone. */
const APPEND = constants.O_WRONLY | constants.O_APPEND;

/** A record of "last used" younger than this is not written again. */
const TOUCH_INTERVAL_MS = 60_000;

/** A name for a new segment of this process. */
export function newSegmentId(): string {
	return `${hostname()}.${process.pid}.${randomBytes(6).toString("hex")}`;
}

/** The segments that have files in a directory listing; `isWhole` is false when the index file is missing. */
export function segmentIds(names: readonly string[]): Map<string, { readonly isWhole: boolean }> {
	const found = new Map<string, { readonly isWhole: boolean }>();
	for (const name of names)
		if (name.endsWith(DATA)) found.set(name.slice(0, -DATA.length), { isWhole: false });
	for (const name of names)
		if (name.endsWith(INDEX)) found.set(name.slice(0, -INDEX.length), { isWhole: true });
	return found;
}

/** Whether the process in a segment's name may still be writing; null when it runs on another machine. */
export function isWriterAlive(id: string): boolean | null {
	const [, host = "", pid = ""] = /^(.*)\.(\d+)\.[0-9a-f]+$/.exec(id) ?? [];
	return host === hostname() ? isProcessAlive(Number(pid)) : null;
}

/** The files of one segment as one process sees them. */
export class Segment {
	readonly id: string;
	/** Bytes that the writer announced to fill at most. */
	limitBytes = 0;
	isSealed = false;
	/** True once this process has read or written an entry. */
	isUsed = false;
	readonly #fs: FileSystem;
	readonly #dataPath: string;
	readonly #indexPath: string;
	#scannedBytes = 0;
	#isDamaged = false;
	#reader: Promise<OpenFile> | null = null;
	#touchedMs: number | null = null;

	constructor(fs: FileSystem, dir: string, id: string) {
		this.#fs = fs;
		this.id = id;
		this.#dataPath = join(dir, id + DATA);
		this.#indexPath = join(dir, id + INDEX);
	}

	/** Records added since the last call; none when the files are gone. */
	async newRecords(): Promise<readonly IndexRecord[]> {
		if (this.#isDamaged) return [];
		let file: OpenFile;
		try {
			const { size } = await this.#fs.stat(this.#indexPath);
			if (size < this.#scannedBytes + RECORD_BYTES) return [];
			file = await this.#fs.open(this.#indexPath, "r");
		} catch (error) {
			if (errnoOf(error) === "ENOENT") return [];
			throw error;
		}
		try {
			const size = (await this.#fs.stat(this.#indexPath)).size - this.#scannedBytes;
			const bytes = new Uint8Array(size - (size % RECORD_BYTES));
			if (!(await readFully(file, [bytes], this.#scannedBytes))) return [];
			const { records, isDamaged } = decodeRecords(bytes);
			this.#scannedBytes += records.length * RECORD_BYTES;
			this.#isDamaged = isDamaged;
			for (const record of records) {
				if (record.kind === "segment") this.limitBytes = record.limitBytes;
				if (record.kind === "seal") this.isSealed = true;
			}
			return records;
		} catch (error) {
			if (errnoOf(error) === "ENOENT") return [];
			throw error;
		} finally {
			await file.close();
		}
	}

	/** Reads an entry into `targets`, which have its length together; says what happened. */
	async read(place: EntryPlace, targets: readonly Uint8Array[]): Promise<"read" | "damaged" | "gone"> {
		let file: OpenFile;
		try {
			this.#reader ??= this.#fs.open(this.#dataPath, "r");
			file = await this.#reader;
		} catch (error) {
			this.#reader = null;
			if (errnoOf(error) === "ENOENT") return "gone";
			throw error;
		}
		try {
			if (!(await readFully(file, targets, place.offset))) return "damaged";
		} catch (error) {
			const errno = errnoOf(error);
			if (errno === null) throw error;
			// Closed meanwhile because the segment was evicted; everything else is the disk.
			return errno === "EBADF" ? "gone" : "damaged";
		}
		// The checksum of no bytes is 0 whatever came before.
		const checksum = targets.reduce((sum, bytes) => (bytes.length === 0 ? sum : crc32(bytes, sum)), 0);
		return checksum === place.checksum ? "read" : "damaged";
	}

	/** Appends one record; appends of several processes do not mix. */
	async append(record: IndexRecord, flags: string | number = APPEND): Promise<void> {
		const file = await this.#fs.open(this.#indexPath, flags);
		try {
			await writeFully(file, encodeRecord(record), null);
		} finally {
			await file.close();
		}
	}

	/** Marks the segment as used now, at most once a minute. */
	async touch(nowMs: number): Promise<void> {
		this.isUsed = true;
		if (this.#touchedMs !== null && nowMs - this.#touchedMs < TOUCH_INTERVAL_MS) return;
		this.#touchedMs = nowMs;
		const now = new Date(nowMs);
		await this.#fs.utimes(this.#indexPath, now, now).catch((error: unknown) => {
			// Evicted, or somebody else's: its age is then what its owner says.
			if (errnoOf(error) === null) throw error;
		});
	}

	/** Size of both files and time of last use; null when they are gone. */
	async facts(): Promise<{ readonly sizeBytes: number; readonly usedMs: number } | null> {
		try {
			const index = await this.#fs.stat(this.#indexPath);
			const data = await this.#fs.stat(this.#dataPath);
			return { sizeBytes: index.size + data.size, usedMs: index.mtimeMs };
		} catch (error) {
			if (errnoOf(error) === "ENOENT") return null;
			throw error;
		}
	}

	/** Creates both files and announces the limit; the data file stays open for writing. */
	async create(limitBytes: number): Promise<OpenFile> {
		const data = await this.#fs.open(this.#dataPath, "wx");
		try {
			await this.append({ kind: "segment", limitBytes }, "ax");
		} catch (error) {
			await data.close();
			throw error;
		}
		this.limitBytes = limitBytes;
		return data;
	}

	/** Deletes the files: the index first, so that no entry is left without its bytes. */
	async remove(): Promise<void> {
		await this.close();
		await this.#fs.rm(this.#indexPath, { force: true });
		await this.#fs.rm(this.#dataPath, { force: true });
	}

	/** Closes the reader. */
	async close(): Promise<void> {
		const reader = this.#reader;
		this.#reader = null;
		await (await reader)?.close();
	}
}
