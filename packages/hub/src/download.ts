// One blob: continued where an earlier try ended, checked against the hash that the hub lists before it gets its name.
import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { HubClient, HubFile } from "./client.ts";
import { HubError, storageError } from "./errors.ts";
import { claimPartial, finishPartial, releasePartial } from "./partial.ts";
import { type HubContext, MAX_TRIES, unreachable, waitBeforeTry } from "./request.ts";

const READ_BYTES = 1 << 20;

/** A blob to have. */
export interface BlobTarget {
	readonly client: HubClient;
	readonly commit: string;
	readonly file: HubFile;
	/** Its path in the cache. */
	readonly blobPath: string;
	/** Called with the number of bytes that are there; it falls when a try begins anew. */
	readonly onBytes: (bytesDone: number) => void;
}

/**
 * Brings a blob into the cache.
 * @throws HubError hub-*, "disk-full" or "write-failed"; what was downloaded stays for the next call
 */
export async function downloadBlob(target: BlobTarget, context: HubContext): Promise<void> {
	const { file, blobPath, onBytes } = target;
	const partial = await claimPartial(blobPath, context);
	if (partial === null) return onBytes(file.sizeBytes);
	const handle = await open(partial, "r+");
	try {
		await new BlobDownload(target, context, handle).run();
		await handle.sync();
	} catch (error) {
		const isWorthKeeping = !(error instanceof HubError && error.code === "hub-corrupt");
		await (isWorthKeeping ? releasePartial(partial, blobPath) : rm(partial, { force: true }));
		throw error;
	} finally {
		await handle.close();
	}
	await finishPartial(partial, blobPath);
	const folder = await open(dirname(blobPath), "r");
	try {
		await folder.sync();
	} finally {
		await folder.close();
	}
}

class BlobDownload {
	readonly #target: BlobTarget;
	readonly #context: HubContext;
	readonly #handle: FileHandle;
	#done = 0;
	#digest: Hash;

	constructor(target: BlobTarget, context: HubContext, handle: FileHandle) {
		this.#target = target;
		this.#context = context;
		this.#handle = handle;
		this.#digest = newDigest(target.file);
	}

	async run(): Promise<void> {
		const { file } = this.#target;
		await this.#takeUp();
		let isSecondChance = false;
		for (;;) {
			await this.#fill();
			if (this.#digest.digest("hex") === file.hash) return;
			if (isSecondChance) {
				const message =
					"its bytes are twice not those that the hub lists; try again later, or report it to the owner of the repository";
				throw new HubError("hub-corrupt", message, { path: file.path });
			}
			isSecondChance = true;
			await this.#restart();
		}
	}

	/** Digests what an earlier try left. */
	async #takeUp(): Promise<void> {
		const { sizeBytes } = this.#target.file;
		const { size } = await this.#handle.stat();
		if (size > sizeBytes) return await this.#restart();
		const buffer = new Uint8Array(Math.min(READ_BYTES, size));
		while (this.#done < size) {
			this.#context.signal?.throwIfAborted();
			const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, this.#done);
			if (bytesRead === 0) break;
			this.#digest.update(buffer.subarray(0, bytesRead));
			this.#done += bytesRead;
		}
		this.#target.onBytes(this.#done);
	}

	async #restart(): Promise<void> {
		await this.#handle.truncate(0);
		this.#done = 0;
		this.#digest = newDigest(this.#target.file);
		this.#target.onBytes(0);
	}

	/** Downloads what lacks; a connection that breaks is taken up again as long as bytes keep coming. */
	async #fill(): Promise<void> {
		const { client, commit, file } = this.#target;
		for (let tries = 1; this.#done < file.sizeBytes; ) {
			const before = this.#done;
			let failure: unknown;
			try {
				const { offset, body } = await client.open(commit, file, this.#done);
				if (offset !== this.#done) await this.#restart();
				await this.#receive(body);
				failure = new RangeError(`the answer ended after ${this.#done} of ${file.sizeBytes} bytes`);
			} catch (cause) {
				this.#context.signal?.throwIfAborted();
				if (cause instanceof HubError) throw cause;
				failure = cause;
			}
			if (this.#done >= file.sizeBytes) return;
			tries = this.#done > before ? 1 : tries + 1;
			if (tries > MAX_TRIES) throw unreachable(this.#context.settings, failure);
			await waitBeforeTry(tries, this.#context);
		}
	}

	/** Writes a body to the file; a byte must come within the timeout. */
	async #receive(body: ReadableStream<Uint8Array>): Promise<void> {
		const { file, blobPath, onBytes } = this.#target;
		const { timeoutMs } = this.#context.settings;
		const reader = body.getReader();
		let timer: NodeJS.Timeout | undefined;
		const stall = (): Promise<never> =>
			new Promise((_, reject) => {
				timer = setTimeout(
					() => reject(new DOMException(`no byte in ${timeoutMs} ms`, "TimeoutError")),
					timeoutMs,
				);
			});
		const stop = (): void => void reader.cancel(this.#context.signal?.reason).catch(() => undefined);
		this.#context.signal?.addEventListener("abort", stop, { once: true });
		try {
			for (;;) {
				const { done, value } = await Promise.race([reader.read(), stall()]);
				clearTimeout(timer);
				this.#context.signal?.throwIfAborted();
				if (done) return;
				if (this.#done + value.length > file.sizeBytes) {
					throw new HubError(
						"hub-corrupt",
						`it has more than the ${file.sizeBytes} bytes that the hub lists`,
						{
							path: file.path,
						},
					);
				}
				await writeAll(this.#handle, value, this.#done).catch((cause: unknown) => {
					throw storageError(cause, blobPath);
				});
				this.#digest.update(value);
				this.#done += value.length;
				onBytes(this.#done);
			}
		} finally {
			clearTimeout(timer);
			this.#context.signal?.removeEventListener("abort", stop);
			// A body that is not read to its end would keep its connection.
			await reader.cancel().catch(() => undefined);
		}
	}
}

function newDigest({ isLfs, sizeBytes }: HubFile): Hash {
	if (isLfs) return createHash("sha256");
	return createHash("sha1").update(`blob ${sizeBytes}\0`); // git's blob id
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
	for (let done = 0; done < bytes.length; ) {
		done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
	}
}
