// One process at a time works on a run: run.lock names it. A lock left by a process that is gone (SIGKILL, power
// cut) is taken over.
import { open, readFile, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout } from "node:timers/promises";
import { codeOf } from "@zk0/arrays";
import { isProcessAlive } from "@zk0/arrays/node";
import { z } from "zod";
import { RecordsError } from "../errors.ts";

const lockSchema = z.object({ pid: z.int(), host: z.string() });

/** Held until disposed. */
export type RunLock = AsyncDisposable;

/** Takes the lock. @throws RecordsError "run-in-use" while another living process holds it. */
export async function lockRun(path: string): Promise<RunLock> {
	for (;;) {
		try {
			await using file = await open(path, "wx");
			await file.writeFile(`${JSON.stringify({ pid: process.pid, host: hostname() })}\n`);
			return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
		} catch (error) {
			if (codeOf(error) !== "EEXIST") throw error;
		}
		const holder = await readSettled(path);
		if (holder !== undefined && isAlive(holder)) {
			throw new RecordsError(
				"run-in-use",
				`process ${holder.pid} on ${holder.host} works on this run; stop it first, or if there is no such process, delete ${path}`,
			);
		}
		await rm(path, { force: true });
	}
}

/** How often, and after which pause in milliseconds, a lock without a holder is read again. */
const REREADS = { count: 10, pauseMs: 20 };

/** The holder, also of a lock whose file is there and not yet written. */
async function readSettled(path: string): ReturnType<typeof readHolder> {
	for (let count = 0; count < REREADS.count; count++) {
		const holder = await readHolder(path);
		if (holder !== undefined) return holder;
		await setTimeout(REREADS.pauseMs);
	}
	return undefined;
}

/** Does `work` while holding the lock. @throws RecordsError "run-in-use" */
export async function withRunLock<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
	const lock = await lockRun(path);
	try {
		return await work();
	} finally {
		await lock[Symbol.asyncDispose]();
	}
}

async function readHolder(path: string): Promise<z.infer<typeof lockSchema> | undefined> {
	try {
		return lockSchema.parse(JSON.parse(await readFile(path, "utf8")));
	} catch (error) {
		// Gone meanwhile, or torn by a crash while it was written: nobody holds it.
		if (codeOf(error) === "ENOENT" || error instanceof SyntaxError || error instanceof z.ZodError)
			return undefined;
		throw error;
	}
}

/** The living process that works on a run, or undefined. */
export async function holderOf(path: string): Promise<z.infer<typeof lockSchema> | undefined> {
	const holder = await readHolder(path);
	return holder !== undefined && isAlive(holder) ? holder : undefined;
}

/** A process on another machine counts as alive: from here nobody can know. */
function isAlive({ pid, host }: z.infer<typeof lockSchema>): boolean {
	if (host !== hostname()) return true;
	return pid !== process.pid && isProcessAlive(pid);
}
