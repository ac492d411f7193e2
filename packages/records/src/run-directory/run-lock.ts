// One process at a time works on a run: run.lock names it. A lock left by a process that is gone (SIGKILL, power
// cut) is taken over, also when another process has its id by now.
import { open, readFile, rename, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout } from "node:timers/promises";
import { codeOf } from "@zk0/arrays";
import { isProcessAlive, processStart } from "@zk0/arrays/node";
import { z } from "zod";
import { RecordsError } from "../errors.ts";

const lockSchema = z.object({
	pid: z.int(),
	host: z.string(),
	/** Tells the process from a later one of its id; null: the system does not say. */
	start: z.string().nullable().default(null),
});

type Holder = z.infer<typeof lockSchema>;

/** Held until disposed. */
export type RunLock = AsyncDisposable;

/** A lock whose holder does something else than work on a run. */
interface NamedLock {
	readonly path: string;
	/** What its holder does, for people: `runs a server from this folder`. */
	readonly what: string;
}

/** Takes the lock. @throws RecordsError "run-in-use" while another living process holds it. */
export async function lockRun(lock: string | NamedLock): Promise<RunLock> {
	const { path, what } = typeof lock === "string" ? { path: lock, what: "works on this run" } : lock;
	for (;;) {
		try {
			await using file = await open(path, "wx");
			const { pid } = process;
			const holder: Holder = { pid, host: hostname(), start: processStart(pid) };
			await file.writeFile(`${JSON.stringify(holder)}\n`);
			return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
		} catch (error) {
			if (codeOf(error) !== "EEXIST") throw error;
		}
		const holder = await readSettled(path);
		if (holder !== undefined && isAlive(holder)) {
			throw new RecordsError(
				"run-in-use",
				`process ${holder.pid} on ${holder.host} ${what}; stop it first, or if there is no such process, delete ${path}`,
			);
		}
		await removeStale(path, holder);
	}
}

/** Deletes a lock that was found to be nobody's; one that another process put there meanwhile stays. */
async function removeStale(path: string, found: Holder | undefined): Promise<void> {
	const aside = `${path}.${process.pid}.lock`;
	try {
		await rename(path, aside);
	} catch (error) {
		if (codeOf(error) === "ENOENT") return;
		throw error;
	}
	const taken = await readHolder(aside);
	if (JSON.stringify(taken) === JSON.stringify(found)) await rm(aside, { force: true });
	else await rename(aside, path);
}

/** How often, and after which pause in milliseconds, a lock without a holder is read again. */
const REREADS = { count: 10, pauseMs: 20 };

/** The holder, also of a lock whose file is there and not yet written. */
async function readSettled(path: string): Promise<Holder | undefined> {
	for (let count = 0; count < REREADS.count; count++) {
		const holder = await readHolder(path);
		if (holder !== undefined) return holder;
		await setTimeout(REREADS.pauseMs);
	}
	return undefined;
}

/** Does `work` while holding the lock. @throws RecordsError "run-in-use" */
export async function withRunLock<Result>(
	path: string | NamedLock,
	work: () => Promise<Result>,
): Promise<Result> {
	const lock = await lockRun(path);
	try {
		return await work();
	} finally {
		await lock[Symbol.asyncDispose]();
	}
}

async function readHolder(path: string): Promise<Holder | undefined> {
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
export async function holderOf(path: string): Promise<Holder | undefined> {
	const holder = await readHolder(path);
	return holder !== undefined && isAlive(holder) ? holder : undefined;
}

/** A process on another machine counts as alive: from here nobody can know. */
function isAlive({ pid, host, start }: Holder): boolean {
	if (host !== hostname()) return true;
	if (start !== null) return processStart(pid) === start;
	return pid !== process.pid && isProcessAlive(pid);
}
