// Keeps all segments of a directory within a budget. Whole segments go, the longest unused first; never one that this
// process uses (a pass over data that does not fit would evict what it needs next) and never one being written.
import type { FileSystem } from "./file-system.ts";
import { isWriterAlive, Segment, segmentIds } from "./segment.ts";

/** What {@link makeRoom} needs to know. */
export interface RoomRequest {
	readonly fileSystem: FileSystem;
	readonly dir: string;
	readonly budgetBytes: number;
	/** Bytes that are to be written. */
	readonly wantedBytes: number;
	/** Segments being written under greater names do not count; default: all count. */
	readonly upTo?: string;
	/** Segments that must stay. */
	isPinned(id: string): boolean;
	readonly nowMs: number;
}

/** A writer on another machine counts as alive as long as its segment was used within this time. */
const REMOTE_WRITER_MS = 3_600_000;

interface Listed {
	readonly segment: Segment;
	/** What it occupies, or may come to occupy while it is written. */
	readonly claimBytes: number;
	readonly usedMs: number;
	readonly isWritten: boolean;
}

/**
 * Evicts until `wantedBytes` fit the budget, or until nothing more can go.
 * @returns what is left of the budget; negative when it is exceeded
 */
export async function makeRoom(request: RoomRequest): Promise<number> {
	const { budgetBytes, wantedBytes, upTo } = request;
	const listed = (await listSegments(request)).filter(
		({ segment, isWritten }) => !isWritten || upTo === undefined || segment.id <= upTo,
	);
	let claimed = listed.reduce((sum, { claimBytes }) => sum + claimBytes, 0);
	const candidates = listed
		.filter(({ segment, isWritten }) => !isWritten && !request.isPinned(segment.id))
		.sort((a, b) => a.usedMs - b.usedMs);
	for (const { segment, claimBytes } of candidates) {
		if (claimed + wantedBytes <= budgetBytes) break;
		await segment.remove();
		claimed -= claimBytes;
	}
	return budgetBytes - claimed;
}

/** All whole segments; the remains of evictions and creations that were killed half-way are deleted. */
async function listSegments({ fileSystem, dir, nowMs }: RoomRequest): Promise<Listed[]> {
	const listed: Listed[] = [];
	for (const [id, { isWhole }] of segmentIds(await fileSystem.readdir(dir))) {
		const segment = new Segment(fileSystem, dir, id);
		const isAlive = isWriterAlive(id);
		if (!isWhole) {
			if (isAlive === false) await segment.remove();
			continue;
		}
		const facts = await segment.facts();
		if (facts === null) continue;
		await segment.newRecords();
		const isWritten = !segment.isSealed && (isAlive ?? nowMs - facts.usedMs < REMOTE_WRITER_MS);
		const claimBytes = isWritten ? Math.max(facts.sizeBytes, segment.limitBytes) : facts.sizeBytes;
		listed.push({ segment, claimBytes, usedMs: facts.usedMs, isWritten });
	}
	return listed;
}
