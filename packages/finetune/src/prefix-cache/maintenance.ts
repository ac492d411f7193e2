// What an operator does with the store of a machine: look at it, check every byte of it, empty it. All of it is safe
// while runs are using the store.
import { errnoOf, type FileSystem, nodeFileSystem } from "./file-system.ts";
import type { EntryPlace } from "./index-record.ts";
import { isWriterAlive, Segment, segmentIds } from "./segment.ts";

/** One segment of a store. */
export interface SegmentReport {
	readonly id: string;
	readonly numEntries: number;
	readonly sizeBytes: number;
	/** Milliseconds since 1970. */
	readonly usedMs: number;
	/** A living process may still write to it. */
	readonly isWritten: boolean;
	/** Entries whose bytes are damaged, which were dropped; null when they were not read. */
	readonly numDamaged: number | null;
}

/** Options of {@link inspectStore}. */
export interface InspectOptions {
	/** Reads every entry, compares it with its checksum and drops damaged ones. @default false */
	readonly verify?: boolean;
	readonly fileSystem?: FileSystem;
	readonly onSegment?: (numDone: number, numSegments: number) => void;
	readonly signal?: AbortSignal;
}

/** The segments of a directory, the longest unused first; none when there is no such directory. */
export async function inspectStore(dir: string, options: InspectOptions = {}): Promise<SegmentReport[]> {
	const { fileSystem = nodeFileSystem, verify = false, onSegment, signal } = options;
	const reports: SegmentReport[] = [];
	const ids = [...segmentIds(await namesIn(fileSystem, dir)).keys()];
	for (const [index, id] of ids.entries()) {
		signal?.throwIfAborted();
		onSegment?.(index, ids.length);
		const segment = new Segment(fileSystem, dir, id);
		const facts = await segment.facts();
		if (facts === null) continue;
		const entries = await entriesOf(segment);
		reports.push({
			id,
			numEntries: entries.size,
			...facts,
			isWritten: !segment.isSealed && isWriterAlive(id) !== false,
			numDamaged: verify ? await dropDamaged(segment, entries, signal) : null,
		});
		await segment.close();
	}
	onSegment?.(ids.length, ids.length);
	return reports.sort((a, b) => a.usedMs - b.usedMs);
}

/** Deletes every segment; runs that use them compute again what they need, and write nothing more. */
export async function clearStore(dir: string, fileSystem: FileSystem = nodeFileSystem): Promise<void> {
	for (const id of segmentIds(await namesIn(fileSystem, dir)).keys()) {
		await new Segment(fileSystem, dir, id).remove();
	}
}

async function namesIn(fileSystem: FileSystem, dir: string): Promise<string[]> {
	try {
		return await fileSystem.readdir(dir);
	} catch (error) {
		if (errnoOf(error) === "ENOENT") return [];
		throw error;
	}
}

async function entriesOf(segment: Segment): Promise<Map<string, EntryPlace>> {
	const entries = new Map<string, EntryPlace>();
	for (const record of await segment.newRecords()) {
		if (record.kind === "entry") entries.set(record.key, record);
		if (record.kind === "drop" && entries.get(record.key)?.offset === record.offset)
			entries.delete(record.key);
	}
	return entries;
}

async function dropDamaged(
	segment: Segment,
	entries: ReadonlyMap<string, EntryPlace>,
	signal: AbortSignal | undefined,
): Promise<number> {
	let numDamaged = 0;
	for (const [key, place] of entries) {
		signal?.throwIfAborted();
		if ((await segment.read(place, [new Uint8Array(place.length)])) !== "damaged") continue;
		await segment.append({ kind: "drop", key, offset: place.offset });
		numDamaged++;
	}
	return numDamaged;
}
