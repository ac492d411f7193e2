import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, openMembers, systemClock } from "@zk0/federation";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createReporter } from "../progress/reporter.ts";
import { captureHost } from "../testing/capture-host.ts";
import { openRunQueue, type RunQueue } from "./run-queue.ts";
import { type RunTask, tasksAfter } from "./serve-run.ts";

let dir = "";
beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-queue-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Every run waits for a client that never comes. */
const SETTINGS = { preset: "tiny", init: "random", sites: 1 };
let numRuns = 0;

/** A queue of a server without sites, as one process has it. */
async function open(maxRuns: number) {
	const clock = systemClock();
	const stopping = new AbortController();
	const faults: unknown[] = [];
	const onFault = (error: unknown): void => {
		faults.push(error);
	};
	const server = createServer({ members: openMembers(), clock, onFault });
	const host = { ...captureHost({ cwd: dir }), randomId: () => `run${numRuns++}` };
	const queue = await openRunQueue({
		dir: join(dir, "runs"),
		apps: join(dir, "apps"),
		server,
		clock,
		host,
		traces: null,
		reporter: createReporter({ stream: undefined, host, sites: [], rounds: 0 }),
		maxRuns,
		signal: stopping.signal,
		onFault,
		onReplay: () => undefined,
		onEvent: () => undefined,
	});
	return {
		queue,
		faults,
		async [Symbol.asyncDispose]() {
			stopping.abort();
			await queue[Symbol.asyncDispose]();
			await server[Symbol.asyncDispose]();
		},
	};
}

async function until(queue: RunQueue, states: Readonly<Record<string, string>>): Promise<void> {
	const now = (): Record<string, string> =>
		Object.fromEntries(queue.list().map(({ runId, state, message }) => [runId, `${state} ${message ?? ""}`]));
	await expect
		.poll(now, { timeout: 20_000 })
		.toMatchObject(
			Object.fromEntries(
				Object.entries(states).map(([runId, state]) => [runId, expect.stringContaining(state)]),
			),
		);
}

describe("the server's runs", () => {
	test("so many at once, stopped and gone on with, and kept through a restart", async () => {
		let [first, second, third] = ["", "", ""];
		{
			await using server = await open(2);
			const { queue } = server;
			first = await queue.submit(SETTINGS);
			second = await queue.submit(SETTINGS);
			third = (await queue.submitOnce(SETTINGS)) ?? "";
			expect(await queue.submitOnce(SETTINGS)).toBeNull();
			const waiting = "running waiting for clients: 0 of 1";
			await until(queue, { [first]: waiting, [second]: waiting, [third]: "queued" });
			await queue.stop(first);
			await until(queue, { [first]: "stopped", [second]: waiting, [third]: waiting });
			await expect(queue.stop(first)).rejects.toMatchObject({ code: "not-running" });
			await expect(queue.goOn(second)).rejects.toMatchObject({ code: "run-in-use" });
			await expect(queue.stop("nobody")).rejects.toMatchObject({ code: "run-not-found" });
			expect(server.faults).toEqual([]);
		}
		await using again = await open(1);
		await until(again.queue, { [first]: "stopped", [second]: "running", [third]: "queued" });
		expect(await again.queue.submitOnce(SETTINGS)).toBeNull();
		await again.queue.stop(third);
		await again.queue.goOn(first);
		await again.queue.stop(second);
		await until(again.queue, { [first]: "running", [second]: "--resume", [third]: "stopped" });
	});
});

test("a run that cannot be read is a failed one, and keeps no server from starting", async () => {
	const runs = join(dir, "runs");
	await rm(runs, { recursive: true, force: true });
	await mkdir(join(runs, "damaged"), { recursive: true });
	await writeFile(join(runs, "damaged", "config.json"), "{");
	await using server = await open(1);
	const { queue, faults } = server;
	expect(queue.list()).toMatchObject([{ runId: "damaged", state: "failed" }]);
	expect(faults).toMatchObject([{ code: "run-damaged" }]);
	const next = await queue.submit(SETTINGS);
	await until(queue, { damaged: "not the configuration of a run", [next]: "running" });
	await queue.goOn("damaged");
	await queue.stop(next);
	await until(queue, { damaged: "failed" });
});

describe("tasksAfter", () => {
	const at = "2026-11-23T12:00:00.000Z";
	const sent = (site: string) => ({ kind: "task.sent", at, round: 1, phase: "train", site }) as const;

	test("follows the tasks that a run waits for", () => {
		let tasks: readonly RunTask[] = [];
		for (const site of ["a", "b", "c"]) tasks = tasksAfter(tasks, sent(site));
		const progress = { step: 3, numSteps: 10, loss: null, samplesPerSecond: null };
		tasks = tasksAfter(tasks, { ...sent("b"), kind: "task.progress", ...progress });
		expect(tasks).toEqual([
			{ site: "a", phase: "train", step: null, numSteps: null },
			{ site: "b", phase: "train", step: 3, numSteps: 10 },
			{ site: "c", phase: "train", step: null, numSteps: null },
		]);
		const rejected = { kind: "update.rejected", at, round: 1, site: "a", code: "late", message: "" } as const;
		expect(tasksAfter(tasks, { ...rejected, endsTask: false })).toHaveLength(3);
		tasks = tasksAfter(tasks, { ...rejected, endsTask: true });
		const closed = { kind: "round.closed", at, round: 1, phase: "train", numReceived: 1 } as const;
		tasks = tasksAfter(tasks, { ...closed, reason: "deadline", without: ["c"] });
		expect(tasks.map(({ site }) => site)).toEqual(["b"]);
		expect(tasksAfter(tasks, { kind: "round.accepted", at, round: 1, updates: [] })).toEqual([]);
	});
});
