// What the dashboard reads: a log that grows, the rounds in it, the stream, the pages' documents.
import { appendFile, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { viewRound } from "@zk0/dashboard/views";
import { manualClock, openEventLog } from "@zk0/federation";
import { runPaths, writeRunRecord } from "@zk0/records";
import { sampleEvents, sampleRecord } from "@zk0/records/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunTask, tasksAfter } from "../network/serve-run.ts";
import { auditPage, invitationsOf } from "./audit.ts";
import { streamLive } from "./live-stream.ts";
import { createCardMaker, listModels, modelFile } from "./models.ts";
import { createRunBook } from "./run-book.ts";
import { openRunFeed, type RunFeed } from "./run-feed.ts";

const ATTACKERS = ["10.0.0.9"];
const SITES = ["kitchen", "workshop"];
const EVENTS = sampleEvents({ sites: SITES, numRounds: 4, runId: "run-1" });
let dir: string;
/** The whole log of the run. */
let log: string;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-dashboard-"));
	const paths = runPaths(dir, "run-1");
	const { root, events, config } = paths;
	await mkdir(root);
	{
		await using open = await openEventLog(events);
		await open.append(EVENTS);
	}
	await writeRunRecord(config, sampleRecord("run-1"));
	await mkdir(paths.globalCheckpoint(4), { recursive: true });
	await writeFile(join(paths.globalCheckpoint(4), "model.safetensors"), "weights");
	log = events;
});
afterAll(() => rm(dir, { recursive: true }));

test("a log that grows byte by byte is folded like a whole one", async () => {
	const whole = openRunFeed(log);
	await whole.refresh();
	expect(whole.view.status).toBe("completed");
	const text = await readFile(log, "utf8");
	const growing = join(dir, "growing.jsonl");
	const feed = openRunFeed(growing);
	await feed.refresh();
	expect([feed.numEvents, feed.view.status]).toEqual([0, "queued"]);
	for (let start = 0; start < text.length; start += 997) {
		await appendFile(growing, text.slice(start, start + 997));
		await feed.refresh();
	}
	expect(feed.numEvents).toBe(EVENTS.length);
	expect(feed.view).toEqual(whole.view);
	expect(feed.since(EVENTS.length - 2)).toEqual(EVENTS.slice(-2));
	expect(feed.since(EVENTS.length)).toEqual([]);
	expect(feed.since(EVENTS.length + 1)).toBeNull();
	for (const round of [0, 2, 4])
		expect(viewRound(round, await feed.eventsOfRound(round))).toEqual(viewRound(round, EVENTS));
	expect(await feed.eventsOfRound(9)).toEqual([]);
});

test("views of a long log are taken up where the last process left them, and only for that log", async () => {
	const path = join(dir, "long.jsonl");
	const snapshot = join(dir, "long-views.json");
	const many = EVENTS.slice(0, -1);
	for (let round = 5; many.length < 3000; round++)
		for (const event of EVENTS) if ("round" in event && event.round === 4) many.push({ ...event, round });
	await using open = await openEventLog(path);
	await open.append(many.slice(0, -40));
	const first = openRunFeed(path, snapshot);
	await first.refresh();
	await first.save();
	await open.append(many.slice(-40));
	const whole = openRunFeed(path);
	await whole.refresh();
	const look = async (feed: RunFeed) => ({
		numEvents: feed.numEvents,
		view: feed.view,
		sites: [...(await feed.sites())],
		round: await feed.eventsOfRound(7),
	});
	const expected = await look(whole);
	const untouched = await readFile(snapshot, "utf8");
	const [head = "", view = "", histories = ""] = untouched.split("\n");
	expect(JSON.parse(head).numEvents).toBe(many.length - 40);
	const [site] = JSON.parse(histories);
	const another = (line: string, change: object): string =>
		JSON.stringify({ ...JSON.parse(line), ...change });
	// What does not fit is not used: the numbers of these snapshots are wrong, those of the first are not.
	const marked = [JSON.stringify([{ ...site, numSamples: 12345 }]), ""];
	for (const text of [
		untouched,
		[another(head, { zk0: "0.0.1" }), view, ...marked].join("\n"),
		[another(head, { head: "ab".repeat(32) }), view, ...marked].join("\n"),
		[head, view, "[1]", ""].join("\n"),
		[head, view.slice(0, 50)].join("\n"),
	]) {
		await writeFile(snapshot, text);
		const feed = openRunFeed(path, snapshot);
		await feed.refresh();
		expect(await look(feed)).toEqual(expected);
	}
	await writeFile(snapshot, [head, view, ...marked].join("\n"));
	const taken = openRunFeed(path, snapshot);
	await taken.refresh();
	expect((await taken.sites()).get(site.site)?.numSamples).toBe(12345);
});

test("a book keeps the views of the newest runs until it is told to stop", async () => {
	const clock = manualClock();
	const faults: unknown[] = [];
	const stop = new AbortController();
	const broken = runPaths(dir, "run-0");
	await mkdir(broken.root);
	await writeRunRecord(broken.config, sampleRecord("run-0"));
	await writeFile(broken.events, "nonsense\n");
	const onFault = (error: unknown) => faults.push(error);
	const keeping = createRunBook(dir).keep({ clock, signal: stop.signal, onFault });
	for (let looks = 0; looks < 2; looks++) {
		while (clock.numSleepers === 0) await new Promise(setImmediate);
		clock.advance(2000);
	}
	stop.abort();
	await keeping;
	expect(faults).toMatchObject([{ code: "run-damaged" }]);
	await rm(broken.root, { recursive: true });
});

test("a log with a line that is no event is refused", async () => {
	const damaged = join(dir, "damaged.jsonl");
	await copyFile(log, damaged);
	await appendFile(damaged, '{"seq":0,"event":{"kind":"nonsense"}}\n');
	await expect(openRunFeed(damaged).refresh()).rejects.toMatchObject({ code: "run-damaged" });
});

test("the list of runs knows losses; a run that is not there is said to be missing", async () => {
	const book = createRunBook(dir);
	const [line] = await book.list();
	const losses = EVENTS.flatMap((event) => (event.kind === "round.evaluated" ? [event.loss] : []));
	expect(line).toMatchObject({ runId: "run-1", status: "completed", numRounds: 4, numSites: 2 });
	expect([line?.initialLoss, line?.loss]).toEqual([losses[0], losses.at(-1)]);
	expect(await book.list()).toEqual([line]);
	await expect(book.open("../run-1")).rejects.toMatchObject({ code: "run-not-found" });
	expect((await book.record("run-1")).runId).toBe("run-1");
});

test("a model is its files, its loss and what it is made of", async () => {
	const book = createRunBook(dir);
	expect(await listModels(dir, book)).toMatchObject([
		{
			runId: "run-1",
			round: 4,
			startedFrom: "bundled",
			sites: SITES.map((site) => ({ site, weight: 0.5 })),
			files: [{ name: "model.safetensors", sizeBytes: 7 }],
		},
	]);
	const wanted = { runId: "run-1", round: 4, name: "model.safetensors" };
	expect(await readFile(await modelFile(dir, book, wanted), "utf8")).toBe("weights");
	for (const name of ["../../config.json", "none"])
		await expect(modelFile(dir, book, { ...wanted, name })).rejects.toMatchObject({
			code: "model-not-found",
		});
});

test("a card is made from the record; a run that began with another's weights says so", async () => {
	const book = createRunBook(dir);
	const cardOf = createCardMaker(dir, book);
	const card = await cardOf("run-1", 4);
	expect(card).toMatch(/^# Federated SmolVLA run-1$/m);
	for (const site of SITES) expect(card).toMatch(new RegExp(`^\\| ${site} \\| [\\d.]+ \\| [\\d.]+ `, "m"));
	await expect(cardOf("run-1", 1)).rejects.toMatchObject({ code: "model-not-found" });
	const last = EVENTS.findLast((event) => event.kind === "round.aggregated");
	const next = runPaths(dir, "run-2");
	const [began, ...rest] = sampleEvents({ sites: SITES, numRounds: 1, runId: "run-2" });
	if (began?.kind !== "run.started" || last === undefined) throw new RangeError("no such events");
	await using open = await openEventLog(next.events);
	await open.append([{ ...began, weightsSha256: last.weightsSha256 }, ...rest]);
	await writeRunRecord(next.config, sampleRecord("run-2"));
	await mkdir(next.globalCheckpoint(1), { recursive: true });
	const models = await listModels(dir, book);
	expect(models.map(({ runId, continues }) => [runId, continues])).toEqual([
		["run-2", { runId: "run-1", round: 4 }],
		["run-1", null],
	]);
	await rm(next.root, { recursive: true });
});

test("a stream tells the status when it changes, with every run's tasks, and events as they come, and goes on where it was left", async () => {
	const clock = manualClock();
	const path = join(dir, "live.jsonl");
	const text = await readFile(log, "utf8");
	const lines = text.trimEnd().split("\n");
	await writeFile(path, `${lines.slice(0, 5).join("\n")}\n`);
	const feed = openRunFeed(path);
	const stop = new AbortController();
	// Two runs at once have tasks at the same site: none may stand for the other.
	const tasks: Record<"run-1" | "run-2", readonly RunTask[]> = { "run-1": [], "run-2": [] };
	const status = () => ({ runs: Object.entries(tasks) });
	const stream = streamLive({ feed, numSeen: 3, status, clock, signal: stop.signal });
	const next = async () => (await stream.next()).value;
	expect(await next()).toEqual({
		event: "status",
		data: {
			runs: [
				["run-1", []],
				["run-2", []],
			],
		},
	});
	expect(await next()).toEqual({ id: "5", event: "events", data: EVENTS.slice(3, 5) });
	const following = next();
	while (clock.numSleepers === 0) await new Promise(setImmediate);
	await appendFile(path, `${lines[5]}\n`);
	const at = "2026-11-23T12:00:00Z";
	const sent = { kind: "task.sent", at, round: 1, phase: "train", site: "kitchen" } as const;
	const progress = { ...sent, kind: "task.progress", step: 1, numSteps: 2, loss: null } as const;
	tasks["run-1"] = tasksAfter([], sent);
	tasks["run-2"] = tasksAfter(tasksAfter([], sent), { ...progress, samplesPerSecond: null });
	clock.advance(250);
	const task = { site: "kitchen", phase: "train" } as const;
	expect(await following).toEqual({
		event: "status",
		data: {
			runs: [
				["run-1", [{ ...task, step: null, numSteps: null }]],
				["run-2", [{ ...task, step: 1, numSteps: 2 }]],
			],
		},
	});
	expect(await next()).toEqual({ id: "6", event: "events", data: [EVENTS[5]] });
	const last = next();
	while (clock.numSleepers === 0) await new Promise(setImmediate);
	stop.abort();
	expect(await last).toBeUndefined();
	expect(clock.numSleepers).toBe(0);
	const behind = streamLive({ feed, numSeen: 99, status: () => 1, clock, signal: stop.signal });
	expect((await behind.next()).done).toBe(true);
	const far = new AbortController().signal;
	const reset = streamLive({ feed, numSeen: 99, status: () => 1, clock, signal: far });
	await reset.next();
	expect((await reset.next()).value).toEqual({ event: "reset", data: {} });
});

test("the audit log is both logs, newest first, a page at a time", () => {
	const at = (minute: number): string => new Date(Date.UTC(2026, 10, 23, 9, minute)).toISOString();
	const secretSha256 = "ab".repeat(32);
	const members = [
		{ kind: "invitation.made", at: at(1), secretSha256, site: "kitchen", expiresAt: at(50) },
		{
			kind: "member.registered",
			at: at(3),
			site: "kitchen",
			publicKeyPem: "",
			state: "approved",
			invitation: secretSha256,
			peer: "10.0.0.7",
		},
		{
			kind: "call.refused",
			at: at(5),
			why: "bad-invitation",
			site: "x",
			key: "k",
			address: "10.0.0.9",
			detail: "no",
		},
		{ kind: "calls.refused", at: at(9), since: at(5), why: "bad-invitation", count: 7, from: ATTACKERS },
		{ kind: "member.revoked", at: at(6), site: "kitchen" },
	] as const;
	const access = [
		{ kind: "user.added", at: at(2), name: "vera", role: "viewer", tokenSha256: "" },
		{ kind: "user.signed-in", at: at(4), name: "vera", role: "viewer", peer: "::1" },
		{ kind: "sign-in.refused", at: at(4), peer: "10.0.0.9" },
		{ kind: "change.asked", at: at(7), name: "olga", action: "POST /api/runs", subject: null, peer: "::1" },
		{ kind: "user.removed", at: at(8), name: "vera" },
	] as const;
	const all = auditPage(members, access, { skip: 0, limit: 100 });
	expect(all.entries.map(({ at: when }) => when)).toEqual(
		all.entries
			.map(({ at: when }) => when)
			.toSorted()
			.toReversed(),
	);
	expect(all.entries.find(({ who }) => who === "olga")?.what).toBe("started a run");
	expect(all.entries.filter(({ isWarning }) => isWarning).map(({ who }) => who)).toEqual([
		"10.0.0.9",
		"10.0.0.9",
		"10.0.0.9",
	]);
	expect(auditPage(members, access, { skip: 1, limit: 2 })).toEqual({
		entries: all.entries.slice(1, 3),
		numEntries: 10,
	});
	expect(invitationsOf(members)).toMatchObject([{ id: "ab".repeat(6), site: "kitchen", usedBy: "kitchen" }]);
});
