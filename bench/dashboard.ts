// Benchmark `dashboard`: a server with a generated history (100 sites × 500 rounds unless parts say `<sites>x<rounds>`) and
// Debian's Chromium. How long until the server answers, until a page shows its numbers, until an appended event is on the
// page, and what the browser's renderer holds. The server is started twice: the first start folds the log and leaves its
// views, as a server does that served the run; the second is measured.
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { openEventLog } from "@zk0/federation";
import type { Browser, Page } from "playwright-core";
import { openPage, startBrowser } from "../e2e/browser.ts";
import { jsonOf, type Running, startZk0, zk0 } from "../e2e/zk0.ts";
import { writeHistory } from "./dashboard-history.ts";

const NUM_REPEATS = 5;
const RUN = "20261123-0900-aaaa";
const PATIENCE_MS = 120_000;

/** A page's load, from the request to its numbers on the screen, and what of it went where. */
interface Load {
	readonly seconds: number;
	/** From the request of the run's view to its last byte: the server's work and the way. */
	readonly viewSeconds: number;
	readonly transferKilobytes: number;
	/** Time in which the page's scripts ran. */
	readonly scriptSeconds: number;
}

/** What was measured. */
export interface DashboardFigures {
	readonly sites: number;
	readonly rounds: number;
	readonly logMegabytes: number;
	/** From the first start until the whole log is folded and its views are saved. */
	readonly foldSeconds: number;
	/** From the start of the process to the first answer. */
	readonly serverUpSeconds: number;
	/** The first page after the start, in a fresh browser. */
	readonly firstPage: Load;
	/** Later ones: medians. */
	readonly page: Load;
	/** From an event's append to its words on the page: median. */
	readonly updateSeconds: number;
	/** Resident memory of the page's process, in MB. */
	readonly rendererMegabytes: number;
	/** Of the machine, over the last minute, when it was over. */
	readonly load: number;
}

/** Runs the benchmark. */
export async function runDashboardBench(parts: readonly string[]): Promise<DashboardFigures> {
	const [sites = 100, rounds = 500] = (parts[0] ?? "100x500").split("x").map(Number);
	const dir = await mkdtemp(join(tmpdir(), "zk0-bench-dashboard-"));
	const runs = join(dir, "server", "runs");
	const startMs = Date.UTC(2026, 10, 23, 9);
	const size = { runId: RUN, numSites: sites, numRounds: rounds, firstLoss: 0.9, isOver: true, startMs };
	await writeHistory(runs, size);
	await writeFile(join(runs, RUN, "config.json"), JSON.stringify(recordOf(rounds)));
	const log = join(runs, RUN, "events.jsonl");
	const foldSeconds = await firstStart(dir, join(runs, RUN, "views.json"));
	const began = performance.now();
	const server = start(dir);
	const browser = await startBrowser();
	try {
		await server.printed("serving at");
		const serverUpSeconds = secondsSince(began);
		const { links } = jsonOf(await zk0(["server", "dashboard", "--state", "server", "--json"], dir));
		const link = String(Array.isArray(links) ? links[0] : links);
		const { origin } = new URL(link);
		await using watched = await openPage(browser, origin);
		const { page } = watched;
		watched.context.setDefaultTimeout(PATIENCE_MS);
		// Signs in on a page that shows no run.
		await page.goto(link.replace("/#", "/audit#"));
		await page.getByText("live", { exact: true }).waitFor();
		const firstPage = await loadOf(page, origin, rounds);
		const loads: Load[] = [];
		for (let repeat = 0; repeat < NUM_REPEATS; repeat++) loads.push(await loadOf(page, origin, rounds));
		const updates: number[] = [];
		await using open = await openEventLog(log);
		for (let repeat = 0; repeat < NUM_REPEATS; repeat++) {
			const site = `visitor-${repeat}`;
			const at = new Date(startMs + 1000 * 3600 * 24).toISOString();
			const appendedMs = performance.now();
			await open.append([{ kind: "site.left", at, site, reason: "offline" }]);
			await page.getByText(`${site} went offline`).waitFor();
			updates.push(secondsSince(appendedMs));
		}
		return {
			sites,
			rounds,
			logMegabytes: Math.round(readFileSync(log).length / 1e6),
			foldSeconds,
			serverUpSeconds,
			firstPage,
			page: medianOf(loads),
			updateSeconds: median(updates),
			rendererMegabytes: await rendererMegabytes(browser),
			load: loadavg()[0] ?? Number.NaN,
		};
	} finally {
		await browser.close();
		server.child.kill("SIGTERM");
		await server.finished;
		await rm(dir, { recursive: true });
	}
}

function start(dir: string): Running {
	const words = "server start --foreground --state server --listen 127.0.0.1 --address 127.0.0.1 --port 0";
	return startZk0(words.split(" "), { cwd: dir });
}

/** Starts and stops a server that finds no views; none are kept of short histories. */
async function firstStart(dir: string, views: string): Promise<number> {
	const began = performance.now();
	const server = start(dir);
	await server.printed("serving at");
	while (!existsSync(views) && performance.now() - began < PATIENCE_MS)
		await new Promise((resolve) => setTimeout(resolve, 20));
	const seconds = secondsSince(began);
	server.child.kill("SIGTERM");
	await server.finished;
	return seconds;
}

/** From the request of the page to its numbers. */
async function loadOf(page: Page, origin: string, rounds: number): Promise<Load> {
	const session = await page.context().newCDPSession(page);
	await session.send("Performance.enable");
	const began = performance.now();
	await page.goto(`${origin}/runs/${RUN}`, { waitUntil: "commit" });
	await page.getByText(`${rounds} of ${rounds}`).waitFor();
	const seconds = secondsSince(began);
	const { metrics } = await session.send("Performance.getMetrics");
	await session.detach();
	const { viewSeconds, bytes } = await page.evaluate((path) => {
		const found = performance
			.getEntriesByType("resource")
			.flatMap((entry) => (entry instanceof PerformanceResourceTiming ? [entry] : []));
		const view = found.find(({ name }) => name.endsWith(path));
		return {
			viewSeconds: view === undefined ? Number.NaN : (view.responseEnd - view.requestStart) / 1000,
			bytes: found.reduce((sum, { transferSize }) => sum + transferSize, 0),
		};
	}, `/api/runs/${RUN}`);
	return {
		seconds,
		viewSeconds,
		transferKilobytes: Math.round(bytes / 1000),
		scriptSeconds: metrics.find(({ name }) => name === "ScriptDuration")?.value ?? Number.NaN,
	};
}

function medianOf(loads: readonly Load[]): Load {
	return {
		seconds: median(loads.map(({ seconds }) => seconds)),
		viewSeconds: median(loads.map(({ viewSeconds }) => viewSeconds)),
		transferKilobytes: median(loads.map(({ transferKilobytes }) => transferKilobytes)),
		scriptSeconds: median(loads.map(({ scriptSeconds }) => scriptSeconds)),
	};
}

function secondsSince(beganMs: number): number {
	return (performance.now() - beganMs) / 1000;
}

/** Resident memory of the largest renderer. */
async function rendererMegabytes(browser: Browser): Promise<number> {
	const session = await browser.newBrowserCDPSession();
	const { processInfo } = await session.send("SystemInfo.getProcessInfo");
	const kilobytes = processInfo
		.filter(({ type }) => type === "renderer")
		.map(({ id }) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1] ?? 0));
	return Math.round(Math.max(...kilobytes) / 1000);
}

function median(values: readonly number[]): number {
	return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** The run's config.json. */
function recordOf(rounds: number) {
	const unknown = { threads: 1, device: "cpu", microBatch: 8, concurrency: 1, cores: 2 };
	return {
		format: "zk0-run-1",
		runId: RUN,
		createdAt: "2026-11-23T09:00:00.000Z",
		config: { rounds },
		sources: {},
		sites: [],
		learning: { batchSize: 8 },
		initial: { from: "bundled", modelSha256: "00" },
		machine: { ...unknown, zk0: "0.1.0", node: "v20", platform: "linux x64", cpu: "generated" },
	};
}
