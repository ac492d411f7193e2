// Files under way. A download goes to `<hash>.<owner>.incomplete` beside its place in `blobs/`; the owner is the
// process at work (id, start, host), so the name is the lock: another process waits while the file grows, and takes
// over the file of a process that is gone by renaming it, which only one can. The name differs from that of Python's
// huggingface_hub (`<hash>.incomplete`), whose lock (flock) Node cannot take.

import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { codeOf } from "@zk0/arrays";
import { isProcessAlive } from "@zk0/arrays/node";
import { type HubContext, waitBeforeTry } from "./request.ts";

const SUFFIX = ".incomplete";
/** A file of another machine that was not written to for this long is taken over. */
const ABANDONED_MS = 10 * 60_000;

const HOST = hostname().replaceAll(/[^\w-]/g, "_");
/** Tells this process from another one that had its id (in a container, every first process has). */
const STARTED = Math.round(performance.timeOrigin).toString(36);
/** Owner of a file that a failed download left behind. */
const NOBODY = "nobody";
const OWNER = `${process.pid}-${STARTED}@${HOST}`;

interface Partial {
	readonly path: string;
	readonly owner: string;
	readonly sizeBytes: number;
	readonly modifiedMs: number;
}

function pathOf(blobPath: string, owner: string): string {
	return `${blobPath}.${owner}.${randomBytes(4).toString("hex")}${SUFFIX}`;
}

async function partialsOf(blobPath: string): Promise<Partial[]> {
	const folder = dirname(blobPath);
	const prefix = `${basename(blobPath)}.`;
	const names = (await readdir(folder)).filter((name) => name.startsWith(prefix) && name.endsWith(SUFFIX));
	const found: Partial[] = [];
	for (const name of names) {
		const path = join(folder, name);
		const entry = await stat(path).catch(() => null);
		if (entry === null) continue; // finished meanwhile
		const owner = name.slice(prefix.length, -SUFFIX.length).replace(/\.[0-9a-f]+$/, "");
		found.push({ path, owner, sizeBytes: entry.size, modifiedMs: entry.mtimeMs });
	}
	return found;
}

/** True when nobody writes to it any more, as far as can be known. */
function isAbandoned({ owner, modifiedMs }: Partial, nowMs: number): boolean {
	if (owner === NOBODY) return true;
	const [, pid, started, host] = /^(\d+)-(\w+)@(.*)$/.exec(owner) ?? [];
	if (host !== HOST) return nowMs - modifiedMs > ABANDONED_MS;
	if (Number(pid) === process.pid) return started !== STARTED;
	return !isProcessAlive(Number(pid));
}

async function exists(path: string): Promise<boolean> {
	return stat(path).then(
		() => true,
		() => false,
	);
}

/**
 * A file to download into, which may hold the beginning already; null when the blob is there, perhaps because another
 * process finished it while this one waited.
 */
export async function claimPartial(blobPath: string, context: HubContext): Promise<string | null> {
	await mkdir(dirname(blobPath), { recursive: true });
	/** Size of each foreign file when it was last seen to grow, and since when it has not. */
	const seen = new Map<string, { sizeBytes: number; sinceMs: number }>();
	for (;;) {
		if (await exists(blobPath)) return null;
		const nowMs = Date.now();
		const mine = pathOf(blobPath, OWNER);
		const partials = await partialsOf(blobPath);
		let isWaiting = false;
		for (const partial of partials.sort((a, b) => b.sizeBytes - a.sizeBytes)) {
			if (isAbandoned(partial, nowMs)) {
				try {
					await rename(partial.path, mine);
					return mine;
				} catch (error) {
					if (codeOf(error) !== "ENOENT") throw error;
					isWaiting = true; // another process was faster: look again
					continue;
				}
			}
			const last = seen.get(partial.path);
			if (last === undefined || last.sizeBytes !== partial.sizeBytes) {
				seen.set(partial.path, { sizeBytes: partial.sizeBytes, sinceMs: nowMs });
			}
			// One that stands still longer than a download may is not waited for.
			isWaiting ||= nowMs - (seen.get(partial.path)?.sinceMs ?? nowMs) < 2 * context.settings.timeoutMs;
		}
		if (!isWaiting) {
			await (await open(mine, "wx")).close();
			return mine;
		}
		await waitBeforeTry(1, context);
	}
}

/** Leaves a file to whoever tries next. */
export async function releasePartial(partial: string, blobPath: string): Promise<void> {
	await rename(partial, pathOf(blobPath, NOBODY));
}

/** Gives a finished file its name, and removes what processes that are gone left of the same blob. */
export async function finishPartial(partial: string, blobPath: string): Promise<void> {
	await rename(partial, blobPath);
	for (const other of await partialsOf(blobPath)) {
		if (isAbandoned(other, Date.now())) await rm(other.path, { force: true });
	}
}
