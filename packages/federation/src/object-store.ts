// Content-addressed spool on disk: `objects/<sha256>` holds whole, fsynced files; `incoming/` holds unfinished ones and is
// emptied at open. An object appears by an atomic rename, so a crash or a full disk leaves the old content intact.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { FederationError, throwIfCancelled } from "./errors.ts";
import { type FileSystem, nodeFileSystem, type OpenFile, syncDirectory, writeFully } from "./file-system.ts";
import { storageError } from "./storage-error.ts";

/** A stored object. */
export interface StoredObject {
	readonly sha256: string;
	readonly sizeBytes: number;
	/** Its file; read only. */
	readonly path: string;
}

/** An object while its bytes arrive. Disposing it before `commit` removes what was written. */
export interface ObjectUpload extends AsyncDisposable {
	readonly receivedBytes: number;
	/** Appends bytes. @throws FederationError disk-full | storage */
	write(bytes: Uint8Array): Promise<void>;
	/**
	 * Makes the object durable and visible. @throws FederationError hash-mismatch when it is not the object that
	 * was announced; disk-full | storage.
	 */
	commit(expectedSha256?: string): Promise<StoredObject>;
}

/** Files addressed by their SHA-256. */
export interface ObjectStore {
	readonly dir: string;
	/** The object, or undefined when it is not there. */
	find(sha256: string): StoredObject | undefined;
	/** The object. @throws FederationError unknown-object */
	get(sha256: string): StoredObject;
	/** Every object, in no particular order. */
	list(): readonly StoredObject[];
	/** Starts an object whose bytes arrive piece by piece. */
	receive(): Promise<ObjectUpload>;
	/** Stores a stream of bytes, hashed while it is written. */
	put(
		source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
		options?: { readonly signal?: AbortSignal | undefined },
	): Promise<StoredObject>;
	/** A path in `incoming/` for a file that somebody else writes and `adopt` takes. */
	scratchPath(): string;
	/** Takes over a file on the same file system: hashed, fsynced and moved. */
	adopt(path: string): Promise<StoredObject>;
	/** The object's bytes from `offset`; a whole read is verified. @throws FederationError unknown-object | corrupt-object */
	read(
		sha256: string,
		options?: { readonly offset?: number; readonly signal?: AbortSignal | undefined },
	): AsyncIterable<Uint8Array>;
	/** True when the object is there and its bytes still have its hash. */
	verify(sha256: string): Promise<boolean>;
	/** Removes an object; nothing happens when it is not there. */
	delete(sha256: string): Promise<void>;
}

const READ_BYTES = 1 << 20;
/** A large file is flushed while it arrives, so that the disk works beside the network and the end is quick. */
const FLUSH_BYTES = 32 << 20;
const SHA256 = /^[0-9a-f]{64}$/;

/**
 * Opens a spool, creating it when needed, and removes unfinished files of an earlier process.
 * @throws FederationError disk-full | storage
 */
export async function openObjectStore(dir: string, fs: FileSystem = nodeFileSystem): Promise<ObjectStore> {
	const objectsDir = join(dir, "objects");
	const incomingDir = join(dir, "incoming");
	try {
		await fs.rm(incomingDir, { recursive: true, force: true });
		await fs.mkdir(objectsDir, { recursive: true });
		await fs.mkdir(incomingDir, { recursive: true });
		const index = new Map<string, StoredObject>();
		for (const sha256 of await fs.readdir(objectsDir)) {
			if (!SHA256.test(sha256)) continue;
			const path = join(objectsDir, sha256);
			index.set(sha256, { sha256, sizeBytes: (await fs.stat(path)).size, path });
		}
		return new DiskObjectStore(dir, fs, index);
	} catch (error) {
		throw storageError(error, `object store ${dir}`);
	}
}

class DiskObjectStore implements ObjectStore {
	readonly dir: string;
	readonly #fs: FileSystem;
	readonly #index: Map<string, StoredObject>;
	#numScratch = 0;

	constructor(dir: string, fs: FileSystem, index: Map<string, StoredObject>) {
		this.dir = dir;
		this.#fs = fs;
		this.#index = index;
	}

	find(sha256: string): StoredObject | undefined {
		return this.#index.get(sha256);
	}

	get(sha256: string): StoredObject {
		const object = this.#index.get(sha256);
		if (object === undefined) throw new FederationError("unknown-object", `there is no object ${sha256}`);
		return object;
	}

	list(): readonly StoredObject[] {
		return [...this.#index.values()];
	}

	scratchPath(): string {
		return join(this.dir, "incoming", `${this.#numScratch++}`);
	}

	async receive(): Promise<ObjectUpload> {
		const path = this.scratchPath();
		const fs = this.#fs;
		const file = await guarded(`object store ${this.dir}`, () => fs.open(path, "wx"));
		const hash = createHash("sha256");
		let receivedBytes = 0;
		let isOpen = true;
		const flushing = flushedEvery(FLUSH_BYTES, file);
		const discard = async (): Promise<void> => {
			if (!isOpen) return;
			isOpen = false;
			await Promise.allSettled([flushing.settled()]);
			await file.close();
			await fs.rm(path, { force: true });
		};
		return {
			get receivedBytes() {
				return receivedBytes;
			},
			write: (bytes) =>
				guarded(`object store ${this.dir}`, async () => {
					if (!isOpen) throw new TypeError("ObjectUpload: write after commit or dispose");
					const written = writeFully(file, bytes);
					// Hashed while they are written.
					hash.update(bytes);
					await written;
					flushing.wrote(bytes.length);
					receivedBytes += bytes.length;
				}),
			commit: (expected) =>
				guarded(`object store ${this.dir}`, async () => {
					if (!isOpen) throw new TypeError("ObjectUpload: commit after commit or dispose");
					const sha256 = hash.digest("hex");
					if (expected !== undefined && expected !== sha256) {
						await discard();
						const message = `the bytes have SHA-256 ${sha256}, announced was ${expected}; send them again`;
						throw new FederationError("hash-mismatch", message);
					}
					await flushing.settled();
					await file.sync();
					await discardOnError(discard, () => this.#publish(path, sha256, receivedBytes));
					isOpen = false;
					await file.close();
					return this.get(sha256);
				}),
			[Symbol.asyncDispose]: discard,
		};
	}

	async put(
		source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
		options: { readonly signal?: AbortSignal | undefined } = {},
	): Promise<StoredObject> {
		await using upload = await this.receive();
		for await (const bytes of source) {
			throwIfCancelled(options.signal, "storing an object");
			await upload.write(bytes);
		}
		return await upload.commit();
	}

	adopt(path: string): Promise<StoredObject> {
		return guarded(`object store ${this.dir}`, async () => {
			const { sha256, sizeBytes } = await this.#hashFile(path);
			const file = await this.#fs.open(path, "r+");
			try {
				await file.sync();
			} finally {
				await file.close();
			}
			return await this.#publish(path, sha256, sizeBytes);
		});
	}

	async *read(
		sha256: string,
		options: { readonly offset?: number; readonly signal?: AbortSignal | undefined } = {},
	): AsyncGenerator<Uint8Array> {
		const { path } = this.get(sha256);
		const offset = options.offset ?? 0;
		const hash = offset === 0 ? createHash("sha256") : null;
		for await (const bytes of this.#chunks(path, offset, options.signal)) {
			hash?.update(bytes);
			yield bytes;
		}
		if (hash !== null && hash.digest("hex") !== sha256) throw corrupt(sha256, path);
	}

	async verify(sha256: string): Promise<boolean> {
		const object = this.#index.get(sha256);
		if (object === undefined) return false;
		return (await this.#hashFile(object.path)).sha256 === sha256;
	}

	async delete(sha256: string): Promise<void> {
		const object = this.#index.get(sha256);
		if (object === undefined) return;
		this.#index.delete(sha256);
		await guarded(`object store ${this.dir}`, () => this.#fs.rm(object.path, { force: true }));
	}

	async #publish(from: string, sha256: string, sizeBytes: number): Promise<StoredObject> {
		const path = join(this.dir, "objects", sha256);
		await this.#fs.rename(from, path);
		await syncDirectory(this.#fs, join(this.dir, "objects"));
		const object = { sha256, sizeBytes, path };
		this.#index.set(sha256, object);
		return object;
	}

	async #hashFile(path: string): Promise<{ sha256: string; sizeBytes: number }> {
		const hash = createHash("sha256");
		let sizeBytes = 0;
		for await (const bytes of this.#chunks(path, 0, undefined)) {
			hash.update(bytes);
			sizeBytes += bytes.length;
		}
		return { sha256: hash.digest("hex"), sizeBytes };
	}

	/** The file's bytes; each piece is only valid until the next one is asked for. */
	async *#chunks(path: string, offset: number, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
		const file = await guarded(path, () => this.#fs.open(path, "r"));
		try {
			const buffer = new Uint8Array(READ_BYTES);
			for (let position = offset; ; ) {
				throwIfCancelled(signal, `reading ${path}`);
				const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
				if (bytesRead === 0) return;
				position += bytesRead;
				yield buffer.subarray(0, bytesRead);
			}
		} finally {
			await file.close();
		}
	}
}

/** Starts a sync after each `everyBytes`, one at a time; `settled` waits for it and throws its failure. */
function flushedEvery(
	everyBytes: number,
	file: OpenFile,
): { wrote(numBytes: number): void; settled(): Promise<void> } {
	let numDirty = 0;
	let running: Promise<void> | null = null;
	let failure: unknown = null;
	return {
		wrote(numBytes) {
			numDirty += numBytes;
			if (numDirty < everyBytes || running !== null) return;
			numDirty = 0;
			running = file
				.sync()
				.catch((error: unknown) => {
					failure = error;
				})
				.finally(() => {
					running = null;
				});
		},
		async settled() {
			await running;
			if (failure !== null) throw failure;
		},
	};
}

function corrupt(sha256: string, path: string): FederationError {
	return new FederationError("corrupt-object", `${path}: the bytes no longer have SHA-256 ${sha256}`);
}

async function guarded<T>(what: string, action: () => Promise<T>): Promise<T> {
	try {
		return await action();
	} catch (error) {
		if (error instanceof TypeError) throw error;
		throw storageError(error, what);
	}
}

async function discardOnError<T>(discard: () => Promise<void>, action: () => Promise<T>): Promise<T> {
	try {
		return await action();
	} catch (error) {
		await discard();
		throw error;
	}
}
