// Results that a server refused for good, because the run is over or nobody waits for the task any more: the newest few
// stay at the site, each as a record and, of a training, the update beside it.
import { copyFile, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "@zk0/arrays/node";
import type { ReplyRefusal } from "@zk0/flower";
import { toError, type UpdateRejection } from "./errors.ts";
import type { SentTask, TaskResult } from "./protocol.ts";

/** A refused result. */
export interface RefusedResult {
	/** Message id of the task. */
	readonly instructionId: string;
	readonly task: SentTask;
	readonly result: TaskResult;
	/** The update's file; null: there is none. */
	readonly updatePath: string | null;
	/** Whether that file may be moved. */
	readonly isOwn: boolean;
	readonly refusal: ReplyRefusal;
	readonly nowMs: number;
}

/** Where a refused result is kept. */
export type Kept =
	| { readonly kind: "kept"; readonly path: string }
	/** Work is not lost by this: refused for what is in it, or nothing but a failure. */
	| { readonly kind: "dropped" }
	| { readonly kind: "not-kept"; readonly message: string };

/** Refusals that say nothing against the result. */
const KEPT_CODES: ReadonlySet<string> = new Set<UpdateRejection>(["late", "unknown-task"]);
/** Updates can be large; an older result is of less use than the disk. */
const MAX_KEPT = 3;
const RECORD = /^([0-9a-f]{16})\.json$/;

/** Keeps a result in `directory`, which is made when needed. A failure of the disk is told, not thrown. */
export async function keepRefused(directory: string, refused: RefusedResult): Promise<Kept> {
	const { result, refusal } = refused;
	if (!KEPT_CODES.has(refusal.code) || result.kind === "failure") return { kind: "dropped" };
	try {
		return { kind: "kept", path: await writeRecord(directory, refused) };
	} catch (error) {
		return { kind: "not-kept", message: toError(error).message };
	}
}

async function writeRecord(directory: string, refused: RefusedResult): Promise<string> {
	const { instructionId, task, result, updatePath, isOwn, refusal, nowMs } = refused;
	await mkdir(directory, { recursive: true });
	const name = instructionId.slice(0, 16);
	const update = updatePath === null ? null : `${name}.safetensors`;
	if (updatePath !== null && update !== null)
		await (isOwn ? rename : copyFile)(updatePath, join(directory, update));
	const { runId, round, phase } = task;
	const at = new Date(nowMs).toISOString();
	const record = { at, runId, round, phase, refusal, result, update };
	const path = join(directory, `${name}.json`);
	try {
		await writeFileAtomic(path, `${JSON.stringify(record, null, "\t")}\n`);
	} catch (error) {
		// What no record names would never be removed, and a full disk is when that matters.
		if (update !== null) await rm(join(directory, update), { force: true });
		throw error;
	}
	await forgetOldest(directory);
	return path;
}

async function forgetOldest(directory: string): Promise<void> {
	const records: { readonly name: string; readonly atMs: number }[] = [];
	for (const file of await readdir(directory)) {
		const [, name] = RECORD.exec(file) ?? [];
		if (name !== undefined) records.push({ name, atMs: (await stat(join(directory, file))).mtimeMs });
	}
	records.sort((a, b) => b.atMs - a.atMs);
	for (const { name } of records.slice(MAX_KEPT))
		for (const ending of ["json", "safetensors"])
			await rm(join(directory, `${name}.${ending}`), { force: true });
}
