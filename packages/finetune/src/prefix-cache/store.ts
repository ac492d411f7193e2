// Entries on disk by content hash, shared by all processes of a machine: written once, read by offset into the
// caller's buffers. It is a cache: whatever is lost, torn or damaged is simply not there. Every process writes
// segments of its own, so writers never wait for each other, and a kill at any moment costs at most one entry.
import { crc32 } from "node:zlib";
import { makeRoom } from "./eviction.ts";
import { errnoOf, type FileSystem, nodeFileSystem, type OpenFile, writeFully } from "./file-system.ts";
import { type EntryPlace, type IndexRecord, RECORD_BYTES } from "./index-record.ts";
import { newSegmentId, Segment, segmentIds } from "./segment.ts";

/** Why nothing more is written; reading goes on. */
export interface WritingStopped {
	readonly kind: "writing-stopped";
	/** "budget-full": the rest of the budget is in use by this or other processes. */
	readonly reason: "disk-full" | "budget-full" | "storage";
	readonly message: string;
}

/** What people should know of; none of it changes a result. */
export type StoreEvent =
	| WritingStopped
	/** An entry failed its checksum and was dropped; it will be computed again. */
	| { readonly kind: "entry-damaged"; readonly segment: string };

/** Options of {@link openStore}. */
export interface StoreOptions {
	/** Made when it does not exist. */
	readonly dir: string;
	/** All segments of all processes together stay within this. */
	readonly budgetBytes: number;
	readonly fileSystem?: FileSystem;
	/** Milliseconds since 1970; dates segments, nothing else. @default Date.now */
	readonly clock?: () => number;
	readonly onEvent?: (event: StoreEvent) => void;
}

/** An open store; disposing it finishes what is being written. */
export interface Store extends AsyncDisposable {
	/** Whether the entry is there, as far as this process has looked. */
	has(key: string): boolean;
	/**
	 * Fills `targets` with the entry, one after the other.
	 * @returns false when there is no such entry, or none of this length; targets may then hold anything
	 */
	read(key: string, targets: readonly Uint8Array[]): Promise<boolean>;
	/** Keeps an entry unless it is there; false when it is not kept. Never throws for a full or failing disk. */
	put(key: string, parts: readonly Uint8Array[]): Promise<boolean>;
	/** Looks for entries that other processes have written meanwhile. */
	refresh(): Promise<void>;
	readonly numEntries: number;
	/** Why nothing is written any more; null while all is well. */
	readonly stopped: WritingStopped | null;
}

/** Largest segment; smaller ones under small budgets, so that eviction stays fine-grained. */
const MAX_SEGMENT_BYTES = 2 ** 30;
const FULL_DISK = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

interface Place extends EntryPlace {
	readonly segment: Segment;
}

interface OwnSegment {
	readonly segment: Segment;
	readonly file: OpenFile;
	dataBytes: number;
	indexBytes: number;
}

/** Opens the store of a directory. @throws the file system's error when the directory cannot be made or read */
export async function openStore(options: StoreOptions): Promise<Store> {
	const store = new DiskStore(options);
	await (options.fileSystem ?? nodeFileSystem).mkdir(options.dir, { recursive: true });
	await store.refresh();
	return store;
}

class DiskStore implements Store {
	readonly #options: StoreOptions;
	readonly #fs: FileSystem;
	readonly #clock: () => number;
	readonly #segments = new Map<string, Segment>();
	readonly #places = new Map<string, Place>();
	#own: OwnSegment | null = null;
	/** The end of the queue of writes. */
	#writing: Promise<unknown> = Promise.resolve();
	#refreshing: Promise<void> | null = null;
	#stopped: WritingStopped | null = null;

	constructor(options: StoreOptions) {
		this.#options = options;
		this.#fs = options.fileSystem ?? nodeFileSystem;
		this.#clock = options.clock ?? Date.now;
	}

	get numEntries(): number {
		return this.#places.size;
	}

	get stopped(): WritingStopped | null {
		return this.#stopped;
	}

	has(key: string): boolean {
		return this.#places.has(key);
	}

	async read(key: string, targets: readonly Uint8Array[]): Promise<boolean> {
		const place = this.#places.get(key);
		if (place === undefined || place.length !== totalBytes(targets)) return false;
		const { segment, offset } = place;
		const result = await segment.read(place, targets);
		if (result === "read") {
			await segment.touch(this.#clock());
			return true;
		}
		if (result === "gone") this.#forget(segment);
		else if (this.#places.get(key) === place) {
			this.#places.delete(key);
			this.#options.onEvent?.({ kind: "entry-damaged", segment: segment.id });
			// Where this cannot be noted, the next reader finds it again.
			await segment.append({ kind: "drop", key, offset }).catch(ignoreFileErrors);
		}
		return false;
	}

	put(key: string, parts: readonly Uint8Array[]): Promise<boolean> {
		const done = this.#writing.then(() => this.#write(key, parts));
		this.#writing = done.catch(() => undefined);
		return done;
	}

	refresh(): Promise<void> {
		this.#refreshing ??= this.#scan().finally(() => {
			this.#refreshing = null;
		});
		return this.#refreshing;
	}

	async #scan(): Promise<void> {
		const found = segmentIds(await this.#fs.readdir(this.#options.dir));
		for (const [id, segment] of this.#segments) if (found.get(id)?.isWhole !== true) this.#forget(segment);
		for (const [id, { isWhole }] of found) {
			if (!isWhole || id === this.#own?.segment.id) continue;
			const segment = this.#segments.get(id) ?? new Segment(this.#fs, this.#options.dir, id);
			this.#segments.set(id, segment);
			for (const record of await segment.newRecords()) this.#apply(segment, record);
		}
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#writing;
		await this.#seal().catch(ignoreFileErrors);
		for (const segment of this.#segments.values()) await segment.close();
		this.#segments.clear();
		this.#places.clear();
	}

	#apply(segment: Segment, record: IndexRecord): void {
		if (record.kind === "entry") {
			const { key, offset, length, checksum } = record;
			this.#places.set(key, { segment, offset, length, checksum });
		} else if (record.kind === "drop") {
			const place = this.#places.get(record.key);
			if (place?.segment === segment && place.offset === record.offset) this.#places.delete(record.key);
		}
	}

	/** Somebody deleted the segment. */
	#forget(segment: Segment): void {
		if (segment === this.#own?.segment) return;
		for (const [key, place] of this.#places) if (place.segment === segment) this.#places.delete(key);
		this.#segments.delete(segment.id);
		void segment.close().catch(ignoreFileErrors);
	}

	async #write(key: string, parts: readonly Uint8Array[]): Promise<boolean> {
		if (this.#stopped !== null) return false;
		if (this.#places.has(key)) return true;
		const bytes = Buffer.concat(parts);
		try {
			const own = await this.#segmentWithRoom(bytes.length);
			if (own === null) return false;
			const place = { offset: own.dataBytes, length: bytes.length, checksum: crc32(bytes) };
			await writeFully(own.file, bytes, place.offset);
			await own.segment.append({ kind: "entry", key, ...place });
			own.dataBytes += bytes.length;
			own.indexBytes += RECORD_BYTES;
			this.#places.set(key, { ...place, segment: own.segment });
			await own.segment.touch(this.#clock());
			return true;
		} catch (error) {
			const errno = errnoOf(error);
			if (errno === null) throw error;
			await this.#stop(errno, error);
			return false;
		}
	}

	/** Gives up writing: cuts off what was not finished and says why. */
	async #stop(errno: string, error: unknown): Promise<void> {
		const own = this.#own;
		this.#own = null;
		if (own !== null) {
			// Where even this fails the torn rest stays, without a record and so without a meaning.
			await own.file.truncate(own.dataBytes).catch(ignoreFileErrors);
			await own.file.close().catch(ignoreFileErrors);
		}
		const text = error instanceof Error ? error.message : String(error);
		this.#say({
			kind: "writing-stopped",
			reason: FULL_DISK.has(errno) ? "disk-full" : "storage",
			message: `nothing more is written to ${this.#options.dir}: ${text}`,
		});
	}

	#say(event: WritingStopped): void {
		this.#stopped = event;
		this.#options.onEvent?.(event);
	}

	/** This process's open segment with room for `bytes` and two records, or null when the budget does not allow it. */
	async #segmentWithRoom(bytes: number): Promise<OwnSegment | null> {
		const neededBytes = bytes + 2 * RECORD_BYTES;
		const current = this.#own;
		if (current !== null) {
			const { dataBytes, indexBytes, segment } = current;
			if (dataBytes + indexBytes + neededBytes <= segment.limitBytes) return current;
		}
		await this.#seal();
		const segment = new Segment(this.#fs, this.#options.dir, newSegmentId());
		const file = await this.#create(segment, neededBytes + RECORD_BYTES);
		if (file === null) {
			const { dir, budgetBytes } = this.#options;
			const message = `${dir} holds as much as its budget of ${budgetBytes} bytes allows, all of it in use`;
			this.#say({ kind: "writing-stopped", reason: "budget-full", message });
			return null;
		}
		this.#segments.set(segment.id, segment);
		this.#own = { segment, file, dataBytes: 0, indexBytes: RECORD_BYTES };
		return this.#own;
	}

	/** Creates a segment of at least `neededBytes` within the budget; null when there is no room. */
	async #create(segment: Segment, neededBytes: number): Promise<OpenFile | null> {
		const { budgetBytes, dir } = this.#options;
		const usual = Math.max(budgetBytes / 256, Math.min(budgetBytes / 16, MAX_SEGMENT_BYTES));
		const wantedBytes = Math.max(Math.floor(usual), neededBytes);
		const request = {
			fileSystem: this.#fs,
			dir,
			budgetBytes,
			isPinned: (id: string) => id === segment.id || this.#segments.get(id)?.isUsed === true,
			nowMs: this.#clock(),
		};
		const freeBytes = await makeRoom({ ...request, wantedBytes });
		if (freeBytes < neededBytes) return null;
		const file = await segment.create(Math.min(wantedBytes, freeBytes));
		// Another process may have seen the same room: the one with the smaller name keeps it.
		if ((await makeRoom({ ...request, wantedBytes: 0, upTo: segment.id })) >= 0) return file;
		await file.close();
		await segment.remove();
		return null;
	}

	async #seal(): Promise<void> {
		const own = this.#own;
		this.#own = null;
		if (own === null) return;
		await own.file.close();
		await own.segment.append({ kind: "seal" });
		own.segment.isSealed = true;
	}
}

function totalBytes(parts: readonly Uint8Array[]): number {
	return parts.reduce((sum, { length }) => sum + length, 0);
}

/** What a full or failing disk throws costs entries and nothing else; defects still surface. */
function ignoreFileErrors(error: unknown): void {
	if (errnoOf(error) === null) throw error;
}
