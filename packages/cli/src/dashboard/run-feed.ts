// A run's event log, read as it grows: folded into the views that the dashboard shows, with the newest events at hand for
// streams and the place of every round in the file, so that details are read only when somebody asks. Reads what is new
// since the last time and nothing else, begins with the views that an earlier process left beside a long log, and works
// for a run of this process and of any other.
import { open } from "node:fs/promises";
import {
	emptyRunView,
	foldRun,
	foldSites,
	type RunView,
	type SiteHistories,
	type SiteHistory,
} from "@zk0/dashboard/views";
import { type RoundEvent, roundEventSchema } from "@zk0/federation";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { type FeedSnapshot, openIfThere, readFeedSnapshot, writeFeedSnapshot } from "./feed-snapshot.ts";

/** A run's log as views. */
export interface RunFeed {
	readonly view: RunView;
	/** Events folded so far. */
	readonly numEvents: number;
	/** Reads what the log has gained. @throws CliError "run-damaged" */
	refresh(): Promise<void>;
	/** The histories of all sites as of the last refresh. */
	sites(): Promise<ReadonlyMap<string, SiteHistory>>;
	/** The events after the first `numSeen`; null when they are too many to repeat: read the view again. */
	since(numSeen: number): readonly RoundEvent[] | null;
	/** The log's events from the first to the last of a round; events of others are among them. */
	eventsOfRound(round: number): Promise<RoundEvent[]>;
	/** Leaves the views beside the log when there is much that the next process would have to fold. */
	save(): Promise<void>;
}

/** Bytes folded without letting others work: some ten milliseconds. */
const CHUNK_BYTES = 1 << 18;
const NEWLINE = 0x0a;
/** Events kept for streams; whoever is further behind reads the view again. */
const NUM_RECENT = 4000;
/** A shorter log is folded in no time. */
const MIN_SAVED_BYTES = 1 << 20;
/** Views of a growing log are saved again when this share of it is new: all saving costs a few times the last one. */
const NEW_SHARE = 0.2;
/** So much of a log that is at its end is folded again rather than saved. */
const MIN_LAST_BYTES = 1 << 17;

const lineSchema = z.object({ event: roundEventSchema });

/** A feed of the log at `log`, which need not be there yet; `snapshot` is where its views are kept. */
export function openRunFeed(log: string, snapshot: string | null = null): RunFeed {
	return new LogFeed(log, snapshot);
}

class LogFeed implements RunFeed {
	view: RunView = emptyRunView();
	readonly #log: string;
	readonly #snapshot: string | null;
	readonly #recent: RoundEvent[] = [];
	readonly #rounds = new Map<number, { readonly start: number; end: number }>();
	/** Null: as in the snapshot that this feed began with, not parsed yet. */
	#histories: SiteHistories | null = null;
	#kept: FeedSnapshot | null = null;
	#numEvents = 0;
	#offset = 0;
	#lastLine = 0;
	/** Offset of the last snapshot; null: it was not looked for yet. */
	#saved: number | null = null;
	#reading: Promise<void> | null = null;

	constructor(log: string, snapshot: string | null) {
		this.#log = log;
		this.#snapshot = snapshot;
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

	async sites(): Promise<ReadonlyMap<string, SiteHistory>> {
		await this.#reading;
		const histories = this.#sites();
		if (histories !== null) return histories;
		this.#forget();
		await this.refresh();
		return this.#sites() ?? new Map();
	}

	since(numSeen: number): readonly RoundEvent[] | null {
		const numMissing = this.#numEvents - numSeen;
		if (numMissing < 0 || numMissing > this.#recent.length) return null;
		return numMissing === 0 ? [] : this.#recent.slice(-numMissing);
	}

	async eventsOfRound(round: number): Promise<RoundEvent[]> {
		const place = this.#rounds.get(round);
		if (place === undefined) return [];
		await using file = await open(this.#log, "r");
		const bytes = Buffer.alloc(place.end - place.start);
		await file.read(bytes, 0, bytes.length, place.start);
		return bytes
			.toString("utf8")
			.trimEnd()
			.split("\n")
			.map((line) => this.#parse(line));
	}

	async save(): Promise<void> {
		const numNew = this.#offset - (this.#saved ?? 0);
		const isOver = this.view.phase.kind === "over";
		const enough = isOver ? MIN_LAST_BYTES : NEW_SHARE * this.#offset;
		const isWorthIt = this.#offset >= MIN_SAVED_BYTES && numNew >= enough;
		const histories = this.#reading === null ? this.#histories : null;
		if (this.#snapshot === null || !isWorthIt || histories === null) return;
		this.#saved = this.#offset;
		const { view } = this;
		const [numEvents, offset, lastLine] = [this.#numEvents, this.#offset, this.#lastLine];
		const place = { numEvents, offset, lastLine, rounds: this.#rounds };
		await writeFeedSnapshot(this.#snapshot, this.#log, { place, view, histories });
	}

	async #read(): Promise<void> {
		const file = await openIfThere(this.#log);
		if (file === undefined) return;
		try {
			const { size } = await file.stat();
			if (this.#saved === null) await this.#restore(size);
			if (size <= this.#offset) return;
			if (this.#sites() === null) this.#forget();
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

	/** Begins with the views of the snapshot, where there is one that fits. */
	async #restore(sizeBytes: number): Promise<void> {
		this.#saved = 0;
		if (this.#snapshot === null || sizeBytes < MIN_SAVED_BYTES) return;
		const found = await readFeedSnapshot(this.#snapshot, this.#log);
		if (found === null) return;
		const { numEvents, offset, lastLine, rounds } = found.place;
		this.view = found.view;
		this.#kept = found;
		for (const [round, place] of rounds) this.#rounds.set(round, { ...place });
		[this.#numEvents, this.#offset, this.#lastLine, this.#saved] = [numEvents, offset, lastLine, offset];
	}

	/** The histories; null: those of the snapshot are not readable, and the log has to be folded anew. */
	#sites(): SiteHistories | null {
		if (this.#histories === null) {
			this.#histories = this.#kept === null ? new Map() : this.#kept.histories();
			this.#kept = null;
		}
		return this.#histories;
	}

	#forget(): void {
		this.view = emptyRunView();
		this.#histories = new Map();
		this.#kept = null;
		this.#rounds.clear();
		this.#recent.length = 0;
		[this.#numEvents, this.#offset, this.#lastLine, this.#saved] = [0, 0, 0, 0];
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
		this.#lastLine = this.#offset;
		this.#offset += sizeBytes;
		this.#numEvents++;
		foldRun(this.view, event);
		foldSites(this.#histories ?? new Map(), event);
		this.#recent.push(event);
		if (this.#recent.length > 2 * NUM_RECENT) this.#recent.splice(0, NUM_RECENT);
	}

	#parse(line: string): RoundEvent {
		try {
			return lineSchema.parse(JSON.parse(line)).event;
		} catch (cause) {
			throw new CliError("run-damaged", `${this.#log}: event ${this.#numEvents + 1} is not readable`, {
				cure: "the log was changed after writing, or by a newer zk0",
				cause,
			});
		}
	}
}
