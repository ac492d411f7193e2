// A run's event log, read as it grows: folded into the views that the dashboard shows, with the newest events at hand for
// streams and the place of every round in the file, so that details are read only when somebody asks. Reads what is new
// since the last time and nothing else; works for a run of this process and of any other.
import { type FileHandle, open } from "node:fs/promises";
import { emptyRunView, foldRun, foldSites, type RunView, type SiteHistories } from "@zk0/dashboard/views";
import { type RoundEvent, roundEventSchema } from "@zk0/federation";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";

/** A run's log as views. */
export interface RunFeed {
	readonly view: RunView;
	readonly histories: SiteHistories;
	/** Events folded so far. */
	readonly numEvents: number;
	/** Reads what the log has gained. @throws CliError "run-damaged" */
	refresh(): Promise<void>;
	/** The events after the first `numSeen`; null when they are too many to repeat: read the view again. */
	since(numSeen: number): readonly RoundEvent[] | null;
	/** The log's events from the first to the last of a round; events of others are among them. */
	eventsOfRound(round: number): Promise<RoundEvent[]>;
}

const CHUNK_BYTES = 1 << 20;
const NEWLINE = 0x0a;
/** Events kept for streams; whoever is further behind reads the view again. */
const NUM_RECENT = 4000;

const lineSchema = z.object({ event: roundEventSchema });

/** A feed of the log at `path`, which need not be there yet. */
export function openRunFeed(path: string): RunFeed {
	return new LogFeed(path);
}

class LogFeed implements RunFeed {
	readonly view: RunView = emptyRunView();
	readonly histories: SiteHistories = new Map();
	readonly #path: string;
	readonly #recent: RoundEvent[] = [];
	readonly #rounds = new Map<number, { readonly start: number; end: number }>();
	#numEvents = 0;
	/** Bytes of the lines that are folded. */
	#offset = 0;
	#reading: Promise<void> | null = null;

	constructor(path: string) {
		this.#path = path;
	}

	get numEvents(): number {
		return this.#numEvents;
	}

	refresh(): Promise<void> {
		this.#reading ??= this.#read().finally(() => {
			this.#reading = null;
		});
		return this.#reading;
	}

	since(numSeen: number): readonly RoundEvent[] | null {
		const numMissing = this.#numEvents - numSeen;
		if (numMissing < 0 || numMissing > this.#recent.length) return null;
		return numMissing === 0 ? [] : this.#recent.slice(-numMissing);
	}

	async eventsOfRound(round: number): Promise<RoundEvent[]> {
		const place = this.#rounds.get(round);
		if (place === undefined) return [];
		await using file = await open(this.#path, "r");
		const bytes = Buffer.alloc(place.end - place.start);
		await file.read(bytes, 0, bytes.length, place.start);
		return bytes
			.toString("utf8")
			.trimEnd()
			.split("\n")
			.map((line) => this.#parse(line));
	}

	async #read(): Promise<void> {
		const file = await openIfThere(this.#path);
		if (file === undefined) return;
		try {
			const { size } = await file.stat();
			if (size <= this.#offset) return;
			const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, size - this.#offset));
			let rest = Buffer.alloc(0);
			for (;;) {
				const { bytesRead } = await file.read(chunk, 0, chunk.length, this.#offset + rest.length);
				if (bytesRead === 0) return;
				rest = this.#foldLines(Buffer.concat([rest, chunk.subarray(0, bytesRead)]));
			}
		} finally {
			await file.close();
		}
	}

	/** Folds whole lines. @returns what follows the last of them */
	#foldLines(bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
		let start = 0;
		for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
			this.#fold(this.#parse(bytes.toString("utf8", start, end)), end + 1 - start);
			start = end + 1;
		}
		return bytes.subarray(start);
	}

	#fold(event: RoundEvent, sizeBytes: number): void {
		if ("round" in event) {
			const place = this.#rounds.get(event.round) ?? { start: this.#offset, end: 0 };
			place.end = this.#offset + sizeBytes;
			this.#rounds.set(event.round, place);
		}
		this.#offset += sizeBytes;
		this.#numEvents++;
		foldRun(this.view, event);
		foldSites(this.histories, event);
		this.#recent.push(event);
		if (this.#recent.length > 2 * NUM_RECENT) this.#recent.splice(0, NUM_RECENT);
	}

	#parse(line: string): RoundEvent {
		try {
			return lineSchema.parse(JSON.parse(line)).event;
		} catch (cause) {
			throw new CliError("run-damaged", `${this.#path}: event ${this.#numEvents + 1} is not readable`, {
				cure: "the log was changed after writing, or by a newer zk0",
				cause,
			});
		}
	}
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
	try {
		return await open(path, "r");
	} catch (error) {
		if (codeOf(error) === "ENOENT") return undefined;
		throw error;
	}
}
