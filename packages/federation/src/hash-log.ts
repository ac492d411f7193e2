// An append-only log of events, fsynced before an event counts, hash-chained. Each line is one JSON object
// {seq, prev, event, hash} with hash = SHA-256(prev + canonical JSON of [seq, event]), so a changed, removed or moved
// line is found. A last line without its newline is what a crash leaves: it never counted and is cut off at open.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { FederationError } from "./errors.ts";
import { type FileSystem, nodeFileSystem, type OpenFile, syncDirectory, writeFully } from "./file-system.ts";
import { canonicalJson, type JsonValue } from "./json.ts";
import { storageError } from "./storage-error.ts";

/** What a log holds. */
export interface LogKind<E> {
	/** Parses one event; a line that holds none was changed. */
	readonly schema: z.ZodType<E>;
	/** False for events that are only for watching: they are not written. */
	readonly isKept: (event: E) => boolean;
}

/** A log. One process may have it open. */
export interface HashLog<E> extends AsyncDisposable {
	readonly path: string;
	/** Everything in the log, in order; grows with `append`. */
	readonly events: readonly E[];
	/** Hash of the last line: names the whole history. */
	readonly head: string;
	/**
	 * Writes events in order; they are durable, and in `events`, when it resolves. What is not kept is skipped.
	 * After a failure the log refuses further events until it is opened again.
	 * @throws FederationError disk-full | storage | closed
	 */
	append(events: readonly E[]): Promise<void>;
}

/** What reading a log found. */
export interface LogContent<E> {
	readonly events: E[];
	readonly head: string;
	/** Bytes of whole lines. */
	readonly sizeBytes: number;
	/** Bytes of a torn last line. */
	readonly tornBytes: number;
}

const GENESIS = "0".repeat(64);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const lineSchema = z.strictObject({
	seq: z.int().nonnegative(),
	prev: sha256,
	event: z.json(),
	hash: sha256,
});

/**
 * Reads and checks a whole log without changing it.
 * @throws FederationError log-tampered naming the first line that does not fit; storage.
 */
export async function verifyHashLog<E>(path: string, { schema }: LogKind<E>): Promise<LogContent<E>> {
	try {
		return parseLog(await readFile(path), path, schema);
	} catch (error) {
		throw storageError(error, `log ${path}`);
	}
}

/**
 * Opens a log for appending, creating it when needed; a torn last line is removed.
 * @throws FederationError log-tampered | disk-full | storage
 */
export async function openHashLog<E>(
	path: string,
	kind: LogKind<E>,
	fs: FileSystem = nodeFileSystem,
): Promise<HashLog<E>> {
	try {
		await fs.mkdir(dirname(path), { recursive: true });
		const file = await fs.open(path, "a");
		try {
			await syncDirectory(fs, dirname(path));
			const content = await verifyHashLog(path, kind);
			if (content.tornBytes > 0) {
				await fs.truncate(path, content.sizeBytes);
				await file.sync();
			}
			return new FileLog(path, kind, file, content);
		} catch (error) {
			await file.close();
			throw error;
		}
	} catch (error) {
		throw storageError(error, `log ${path}`);
	}
}

class FileLog<E> implements HashLog<E> {
	readonly path: string;
	readonly #kind: LogKind<E>;
	readonly #events: E[];
	#head: string;
	#file: OpenFile | undefined;
	#tail: Promise<void> = Promise.resolve();

	constructor(path: string, kind: LogKind<E>, file: OpenFile, content: LogContent<E>) {
		this.path = path;
		this.#kind = kind;
		this.#file = file;
		this.#events = content.events;
		this.#head = content.head;
	}

	get events(): readonly E[] {
		return this.#events;
	}

	get head(): string {
		return this.#head;
	}

	append(events: readonly E[]): Promise<void> {
		const stored = events.filter((event) => this.#kind.isKept(event));
		if (stored.length === 0) return Promise.resolve();
		const done = this.#tail.then(() => this.#write(stored));
		// A failed append is reported to its caller; the next one finds the log closed.
		this.#tail = done.catch(() => undefined);
		return done;
	}

	async #write(events: readonly E[]): Promise<void> {
		const file = this.#file;
		if (file === undefined) {
			throw new FederationError("closed", `log ${this.path} is closed; open it again to go on`);
		}
		let head = this.#head;
		let text = "";
		for (const [index, event] of events.entries()) {
			const line = encodeLine(this.#events.length + index, head, event);
			head = line.hash;
			text += line.text;
		}
		try {
			await writeFully(file, new TextEncoder().encode(text));
			await file.sync();
		} catch (error) {
			this.#file = undefined;
			await file.close();
			throw storageError(error, `log ${this.path}`);
		}
		this.#head = head;
		this.#events.push(...events);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#tail;
		const file = this.#file;
		this.#file = undefined;
		await file?.close();
	}
}

function encodeLine(seq: number, prev: string, event: unknown): { hash: string; text: string } {
	const json = toJson(event);
	const hash = hashLine(seq, prev, json);
	return { hash, text: `${JSON.stringify({ seq, prev, event: json, hash })}\n` };
}

/** An event as plain JSON, as a reader of the file will see it. */
function toJson(event: unknown): JsonValue {
	return z.json().parse(JSON.parse(JSON.stringify(event)));
}

function hashLine(seq: number, prev: string, event: JsonValue): string {
	return createHash("sha256")
		.update(`${prev}\n${canonicalJson([seq, event])}`)
		.digest("hex");
}

function parseLog<E>(bytes: Uint8Array, path: string, schema: z.ZodType<E>): LogContent<E> {
	const sizeBytes = bytes.lastIndexOf(0x0a) + 1;
	const text = new TextDecoder().decode(bytes.subarray(0, sizeBytes));
	const events: E[] = [];
	let head = GENESIS;
	for (const [index, line] of text.split("\n").slice(0, -1).entries()) {
		const parsed = parseLine(line, { seq: index, prev: head, path, schema });
		events.push(parsed.event);
		head = parsed.hash;
	}
	return { events, head, sizeBytes, tornBytes: bytes.length - sizeBytes };
}

function parseLine<E>(
	line: string,
	{ seq, prev, path, schema }: { seq: number; prev: string; path: string; schema: z.ZodType<E> },
): { event: E; hash: string } {
	const CHANGED = "the log was changed after writing";
	const tampered = (why: string, cause?: unknown, conclusion = CHANGED): FederationError =>
		new FederationError("log-tampered", `${path}: line ${seq + 1} ${why}; ${conclusion}`, { cause });
	let json: unknown;
	try {
		json = JSON.parse(line);
	} catch (cause) {
		throw tampered("is not JSON", cause);
	}
	const entry = lineSchema.safeParse(json);
	if (!entry.success) throw tampered("is not a log entry", entry.error);
	const { event, hash } = entry.data;
	if (entry.data.seq !== seq) throw tampered(`has number ${entry.data.seq}, expected ${seq}`);
	if (entry.data.prev !== prev) throw tampered("does not follow the line before it");
	if (hashLine(seq, prev, event) !== hash) throw tampered("does not have the hash it names");
	const parsed = schema.safeParse(event);
	// Its hash holds: the line is as it was written.
	if (!parsed.success)
		throw tampered("holds no known event", parsed.error, "read it with the version of zk0 that wrote it");
	return { event: parsed.data, hash };
}
