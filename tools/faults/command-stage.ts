// A federation of the program's own commands, in the background as an operator and three sites start it.
import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { RoundEvent } from "@zk0/federation";
import { z } from "zod";
import { jsonOf, workplace, zk0 } from "../../e2e/zk0.ts";
import { mountSmallDisk, unmount } from "./small-disk.ts";

/** The sites, each of which has a simulated recording. */
export const COMMAND_SITES: readonly string[] = ["site-a", "site-b", "site-c"];
/** The site whose folder is a disk of its own, where this process may mount one. */
export const SMALL_SITE = "site-c";

const RUN = ["--preset", "tiny", "--seed", "7", "--eval-frames", "4", "--sampled-frames", "1"];
const PATIENCE_MS = 300_000;
const LOOK_MS = 20;
/** Room for a few copies of the tiny model. */
const SMALL_DISK = { sizeMb: 200, ballastMb: 0 };

const pidSchema = z.object({ pid: z.int() });
const statusSchema = z.object({
	sites: z.array(z.object({ site: z.string(), isOnline: z.boolean() })),
	runs: z.array(z.object({ runId: z.string(), state: z.string(), modelSha256: z.string().nullable() })),
});

/** The commands' federation. Disposing it stops everything. */
export interface CommandStage extends AsyncDisposable {
	readonly dir: string;
	/** Whether SMALL_SITE has its disk. */
	readonly hasSmallDisk: boolean;
	/** SHA-256 of the model that a run must end with: that of `zk0 simulate`. */
	readonly reference: Promise<unknown>;
	/** `zk0 server start` and `zk0 client start`. @returns the process id */
	startServer(): Promise<number>;
	startClient(site: string): Promise<number>;
	/** The process of `server` or a site, as it was started last. */
	pidOf(name: string): number;
	/** SIGKILL to `server` or a site. Resolves when it has ended. */
	kill(name: string): Promise<void>;
	/** Resolves when the process has ended by itself. */
	ended(name: string): Promise<void>;
	/** `zk0 run`. */
	submit(): Promise<CommandRun>;
	/** Resolves when all sites are online. */
	allOnline(): Promise<void>;
}

/** A run of a stage. */
export interface CommandRun {
	/** Its folder. */
	readonly dir: string;
	/** Waits for an event in its log. */
	recorded(what: string, fits: (event: RoundEvent) => boolean): Promise<void>;
	/** Waits for its end. @returns the SHA-256 of its model */
	result(): Promise<string | null>;
}

/** Starts a server, and joins and starts three sites. */
export async function openCommandStage(canMount: boolean): Promise<CommandStage> {
	const place = await workplace();
	const { dir } = place;
	const pids = new Map<string, number>();
	const run = async (...words: string[]): Promise<Record<string, unknown>> => {
		const finished = await zk0([...words, "--json"], dir);
		if (finished.code !== 0) throw new RangeError(`zk0 ${words.join(" ")}: ${finished.stderr}`);
		return jsonOf(finished);
	};
	const start = async (name: string, words: readonly string[]): Promise<number> => {
		const { pid } = pidSchema.parse(await run(...words));
		pids.set(name, pid);
		return pid;
	};
	const pidOf = (name: string): number => {
		const pid = pids.get(name);
		if (pid === undefined) throw new RangeError(`${name} was never started`);
		return pid;
	};
	const ended = (name: string): Promise<void> => until(`the end of ${name}`, () => !isRunning(pidOf(name)));
	const status = async () => statusSchema.parse(await run("status", "--state", "server"));
	const place127 = ["--listen", "127.0.0.1", "--address", "127.0.0.1", "--port", "0"];
	const smallDisk = join(dir, SMALL_SITE);
	if (canMount) mountSmallDisk(smallDisk, SMALL_DISK);
	await start("server", ["server", "start", "--state", "server", ...place127]);
	for (const site of COMMAND_SITES) {
		const { invitation } = await run("server", "invite", "--name", site, "--state", "server");
		await run("client", "join", String(invitation), recordingOf(site), "--state", site);
	}
	const data = COMMAND_SITES.flatMap((site) => ["--data", `${site}=${recordingOf(site)}`]);
	const reference = run("simulate", ...RUN, ...data).then(({ modelSha256 }) => modelSha256);
	await reference;
	const startClient = (site: string) => start(site, ["client", "start", "--state", site]);
	await Promise.all(COMMAND_SITES.map(startClient));
	return {
		dir,
		hasSmallDisk: canMount,
		reference,
		pidOf,
		ended,
		startServer: () => start("server", ["server", "start", "--state", "server"]),
		startClient,
		async kill(name) {
			process.kill(pidOf(name), "SIGKILL");
			await ended(name);
		},
		allOnline: () =>
			until("all sites to be online", async () => {
				const { sites } = await status();
				return sites.filter(({ isOnline }) => isOnline).length === COMMAND_SITES.length;
			}),
		async submit() {
			const words = ["run", ...RUN, "--min-sites", "3", "--state", "server", "--detach"];
			const runId = String((await run(...words))["runId"]);
			const runDir = join(dir, "server", "runs", runId);
			const log = join(runDir, "events.jsonl");
			return {
				dir: runDir,
				recorded: (what, fits) =>
					until(what, () => existsSync(log) && eventsIn(readFileSync(log, "utf8")).some(fits)),
				async result() {
					let found: string | null = null;
					await until(`the end of ${runId}`, async () => {
						const state = (await status()).runs.find((one) => one.runId === runId);
						if (state?.state === "failed")
							throw new RangeError(`${runId} failed: ${(await readFile(log, "utf8")).slice(-500)}`);
						found = state?.modelSha256 ?? null;
						return state?.state === "completed";
					});
					return found;
				},
			};
		},
		async [Symbol.asyncDispose]() {
			for (const pid of pids.values()) if (isRunning(pid)) process.kill(pid, "SIGKILL");
			await until("the processes to end", () => ![...pids.values()].some(isRunning));
			if (canMount) unmount(smallDisk);
			await place[Symbol.asyncDispose]();
		},
	};
}

function recordingOf(site: string): string {
	return `sim:${site}?episodes=5&seed=7&size=96x96`;
}

/** The whole lines of a log; the last one may be under way. */
function eventsIn(text: string): RoundEvent[] {
	const lines = text.split("\n").slice(0, -1);
	// Written by the server: whole lines of the log's own schema.
	return lines.map((line) => (JSON.parse(line) as { readonly event: RoundEvent }).event);
}

function isRunning(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
		throw error;
	}
}

async function until(what: string, isThere: () => Promise<boolean> | boolean): Promise<void> {
	const endMs = performance.now() + PATIENCE_MS;
	while (!(await isThere())) {
		if (performance.now() > endMs) throw new RangeError(`waited ${PATIENCE_MS} ms for ${what}`);
		await sleep(LOOK_MS);
	}
}
