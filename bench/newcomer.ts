// Benchmark `newcomer`: the paths of somebody who sees zk0 for the first time, each with a clock beside it: from `zk0 server
// start` to the dashboard in a browser's hands, and from an invitation to the site's first training step on recordings
// that the simulated arm makes. With the part `history` also the dashboard on a long history (see dashboard.ts).
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { serverStatusSchema } from "@zk0/dashboard/status";
import { type Finished, jsonOf, zk0 } from "../e2e/zk0.ts";
import { type DashboardFigures, runDashboardBench } from "./dashboard.ts";

/** Seconds that a step may take before the benchmark gives up. */
const PATIENCE_SECONDS = 600;
const POLL_MS = 100;

/** What was measured; goals in brackets. */
export interface NewcomerFigures {
	/** `zk0 --version`, `zk0 server status`: from the start of the process to its end, the best of five. */
	readonly versionSeconds: number;
	readonly statusSeconds: number;
	/** From `zk0 server start` to its return [3]. */
	readonly serverStartSeconds: number;
	/** From `zk0 server start` to the dashboard's page and scripts in a browser's hands [3]. */
	readonly dashboardUpSeconds: number;
	/** From the invitation to the end of `zk0 client join`: the recordings are made and looked at by the doctor. */
	readonly joinSeconds: number;
	/** From the invitation to the site's first training step [120]. */
	readonly firstStepSeconds: number;
	/** With the part `history`; null without. */
	readonly history: DashboardFigures | null;
	readonly cores: number;
	/** Of the machine, over the last minute, when it was over. */
	readonly load: number;
}

/** Runs the benchmark. */
export async function runNewcomerBench(parts: readonly string[]): Promise<NewcomerFigures> {
	const paths = await timePaths();
	// Only now: the processes of the paths have ended.
	const history = parts.includes("history") ? await runDashboardBench([]) : null;
	return { ...paths, history, cores: cpus().length, load: loadavg()[0] ?? Number.NaN };
}

async function timePaths(): Promise<Omit<NewcomerFigures, "history" | "cores" | "load">> {
	const dir = await mkdtemp(join(tmpdir(), "zk0-bench-newcomer-"));
	// A cache of its own: nothing that another program left shortens the way.
	const call = async (line: string): Promise<Finished> => {
		const done = await zk0(line.split(" "), dir, { ZK0_CACHE_DIR: join(dir, "cache") });
		if (done.code !== 0) throw new RangeError(`zk0 ${line}: exit ${done.code}\n${done.stderr}`);
		return done;
	};
	try {
		const versionSeconds = await best(() => call("--version"));
		const began = performance.now();
		await call("server start --state server --listen 127.0.0.1 --address 127.0.0.1 --port 0");
		const serverStartSeconds = secondsSince(began);
		const { links } = jsonOf(await call("server dashboard --state server --json"));
		const { origin } = new URL(String(Array.isArray(links) ? links[0] : links));
		await loadPage(origin);
		const dashboardUpSeconds = secondsSince(began);
		const statusSeconds = await best(() => call("server status --state server --json"));
		const { token } = jsonOf(await call("server user add clock --state server --json"));
		await call("run --rounds 1 --min-sites 1 --state server --detach --json");
		const invitedMs = performance.now();
		const { invitation } = jsonOf(await call("server invite --name kitchen --state server --json"));
		await call(`client join ${String(invitation)} sim:site-a --state kitchen`);
		const joinSeconds = secondsSince(invitedMs);
		await call("client start --state kitchen");
		await firstStep(origin, String(token));
		const firstStepSeconds = secondsSince(invitedMs);
		const commands = { versionSeconds, statusSeconds, serverStartSeconds };
		return { ...commands, dashboardUpSeconds, joinSeconds, firstStepSeconds };
	} finally {
		for (const line of ["client stop --state kitchen", "server stop --state server"])
			await zk0(line.split(" "), dir);
		await rm(dir, { recursive: true, force: true });
	}
}

async function best(work: () => Promise<unknown>): Promise<number> {
	let least = Number.POSITIVE_INFINITY;
	for (let repeat = 0; repeat < 5; repeat++) {
		const began = performance.now();
		await work();
		least = Math.min(least, secondsSince(began));
	}
	return least;
}

/** The page with everything that it names. */
async function loadPage(origin: string): Promise<void> {
	const page = await fetch(origin);
	const html = await page.text();
	const parts = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].flatMap(([, path]) => path ?? []);
	if (!page.ok || parts.length === 0) throw new RangeError(`${origin} answered ${page.status}`);
	for (const path of parts) await (await fetch(new URL(path, origin))).arrayBuffer();
}

/** Waits until a site has told of a step of training, or has done the round. */
async function firstStep(origin: string, token: string): Promise<void> {
	const began = performance.now();
	while (secondsSince(began) < PATIENCE_SECONDS) {
		const answer = await fetch(`${origin}/api/status`, { headers: { authorization: `Bearer ${token}` } });
		const { runs } = serverStatusSchema.parse(await answer.json());
		const [run] = runs;
		const isTraining = run?.tasks.some(({ phase, step }) => phase === "train" && step !== null && step > 0);
		if (isTraining === true || run?.state === "completed") return;
		if (run?.state === "failed") throw new RangeError(`the run failed: ${run.message}`);
		await new Promise((resolve) => setTimeout(resolve, POLL_MS));
	}
	throw new RangeError(`no step of training within ${PATIENCE_SECONDS} s`);
}

function secondsSince(beganMs: number): number {
	return (performance.now() - beganMs) / 1000;
}
