import { spawn } from "node:child_process";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openEventLog } from "@zk0/federation";
import { runPaths, writeRunRecord } from "@zk0/records";
import { sampleEvents, sampleRecord } from "@zk0/records/testing";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EXIT_CODES } from "../exit-codes.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { COMMANDS } from "./index.ts";

let cwd = "";
beforeEach(async () => {
	cwd = await mkdtemp(join(tmpdir(), "zk0-runs-command-"));
});
afterEach(() => rm(cwd, { recursive: true }));

async function makeRun(id: string, numEvents = Number.POSITIVE_INFINITY): Promise<void> {
	const paths = runPaths(join(cwd, "runs"), id);
	await mkdir(paths.root, { recursive: true });
	await writeRunRecord(paths.config, sampleRecord(id));
	await using log = await openEventLog(paths.events);
	await log.append(
		sampleEvents({ sites: ["kitchen", "workshop"], numRounds: 3, runId: id }).slice(0, numEvents),
	);
}

async function run(line: string) {
	const host = captureHost({ cwd });
	const code = await runCli(line.split(" "), host, { commands: COMMANDS, version: "0" });
	return { code, out: host.out(), err: host.err() };
}

describe("zk0 runs list", () => {
	test("newest first, unfinished ones too, a damaged one in its line", async () => {
		await makeRun("20261121-0000-aaaa");
		await makeRun("20261122-0000-bbbb", 20);
		await mkdir(join(cwd, "runs", "20261123-0000-cccc"));
		await writeFile(join(cwd, "runs", "20261123-0000-cccc", "config.json"), "{");
		const { out, code } = await run("runs list");
		expect(code).toBe(0);
		const lines = out.trimEnd().split("\n");
		expect(lines[1]).toMatch(/cccc {2}damaged/);
		expect(lines[2]).toMatch(/bbbb {2}running .*1\/3/);
		expect(lines[3]).toMatch(/aaaa {2}completed .*3\/3.*−\d+ %/);
	});

	test("--json and --limit", async () => {
		await makeRun("20261121-0000-aaaa");
		await makeRun("20261122-0000-bbbb");
		const { runs } = JSON.parse((await run("runs list --json --limit 1")).out);
		expect(runs).toHaveLength(1);
		expect(runs[0]).toMatchObject({ runId: "20261122-0000-bbbb", status: "completed", rounds: 3, sites: 2 });
	});

	test("no runs is not an error", async () => {
		expect(await run("runs list")).toMatchObject({ code: 0, out: expect.stringContaining("zk0 simulate") });
	});
});

describe("zk0 runs show", () => {
	test("shows the frame and how to go on", async () => {
		await makeRun("20261122-0000-bbbb", 20);
		const { out } = await run("runs show latest");
		expect(out).toContain("Run 20261122-0000-bbbb is not finished");
		expect(out).toContain("zk0 runs resume 20261122-0000-bbbb");
	});

	test("--json has the record, the summary and the head of the log", async () => {
		await makeRun("20261122-0000-bbbb");
		const shown = JSON.parse((await run("runs show bbbb --json")).out);
		expect(shown.summary).toMatchObject({ status: "completed", numRounds: 3 });
		expect(shown.record.runId).toBe("20261122-0000-bbbb");
		expect(shown.logHead).toMatch(/^[0-9a-f]{64}$/);
	});

	test("a changed log is refused", async () => {
		await makeRun("20261122-0000-bbbb");
		const { events } = runPaths(join(cwd, "runs"), "20261122-0000-bbbb");
		await writeFile(events, (await readFile(events, "utf8")).replace('"seed":42', '"seed":43'));
		const { code, err } = await run("runs show latest");
		expect(code).toBe(EXIT_CODES.run.code);
		expect(err).toContain("error[log-tampered]");
	});

	test("a torn last line, as a kill leaves it, is ignored", async () => {
		await makeRun("20261122-0000-bbbb");
		await appendFile(runPaths(join(cwd, "runs"), "20261122-0000-bbbb").events, '{"seq": 99');
		expect((await run("runs show latest")).code).toBe(0);
	});

	test("a run without a log is a run without rounds", async () => {
		await makeRun("20261122-0000-bbbb");
		await rm(runPaths(join(cwd, "runs"), "20261122-0000-bbbb").events);
		expect((await run("runs show latest")).out).toContain("is not finished, – so far");
	});
});

describe("zk0 runs log", () => {
	test("a line per event, the last ones with --tail; following ends with the run", async () => {
		await makeRun("20261121-0000-aaaa");
		const lines = (await run("runs log latest")).out.trimEnd().split("\n");
		expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}run 20261121-0000-aaaa started: 3 rounds/);
		expect(lines.at(-1)).toContain("run completed after 3 rounds");
		for (const text of [
			"kitchen joined",
			"round 1 started on kitchen, workshop",
			"weights",
			"held-out loss of",
		]) {
			expect(lines.join("\n")).toContain(text);
		}
		expect((await run("runs log latest --tail 2")).out.trimEnd().split("\n")).toEqual(lines.slice(-2));
		expect((await run("runs log latest --follow")).out.trimEnd().split("\n")).toEqual(lines);
		expect(JSON.parse((await run("runs log latest --json")).out).events).toHaveLength(lines.length);
		const documents = (await run("runs log latest --json --follow --tail 1")).out.trimEnd().split("\n");
		expect(documents.map((line) => JSON.parse(line).kind)).toEqual(["run.completed"]);
	});

	test("following shows what is added", async () => {
		await makeRun("20261121-0000-aaaa", 5);
		const host = captureHost({ cwd });
		const words = ["runs", "log", "latest", "--follow", "--tail", "1"];
		const following = runCli(words, host, { commands: COMMANDS, version: "0" });
		await vi.waitFor(() => expect(host.out()).not.toBe(""), { timeout: 10_000 });
		await using log = await openEventLog(runPaths(join(cwd, "runs"), "20261121-0000-aaaa").events);
		const rest = sampleEvents({ sites: ["kitchen", "workshop"], numRounds: 3, runId: "20261121-0000-aaaa" });
		await log.append(rest.slice(5));
		expect(await following).toBe(0);
		expect(host.out()).toContain("run completed");
	});
});

describe("zk0 runs stop", () => {
	test("a run that nobody works on, and one of a server, are refused", async () => {
		await makeRun("20261121-0000-aaaa", 5);
		expect((await run("runs stop latest")).err).toContain("error[not-running]");
		await writeFile(join(cwd, "runs/20261121-0000-aaaa/run.lock"), '{"pid": 1, "host": "elsewhere"}');
		expect((await run("runs stop latest")).err).toContain("process 1 of elsewhere");
		const host = captureHost({ cwd, env: { ZK0_HOME: join(cwd, "home") } });
		const program = { commands: COMMANDS, version: "0" };
		await mkdir(join(cwd, "home/server"), { recursive: true });
		await rename(join(cwd, "runs"), join(cwd, "home/server/runs"));
		await writeFile(join(cwd, "home/server/server.json"), "{}");
		expect(await runCli(["runs", "stop", "latest", "--out", "home/server/runs"], host, program)).toBe(8);
		expect(host.err()).toContain(`zk0 runs stop 20261121-0000-aaaa --state ${join(cwd, "home/server")}`);
	});

	test("ends the process that holds the lock", async () => {
		await makeRun("20261121-0000-aaaa", 5);
		const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
		const lock = { pid: child.pid, host: hostname() };
		await writeFile(join(cwd, "runs/20261121-0000-aaaa/run.lock"), JSON.stringify(lock));
		expect((await run("runs stop latest")).out).toContain("stopped 20261121-0000-aaaa");
	});
});

describe("zk0 runs compare", () => {
	test("results side by side, and the settings that differ", async () => {
		await makeRun("20261121-0000-aaaa");
		await makeRun("20261122-0000-bbbb");
		const { config } = runPaths(join(cwd, "runs"), "20261122-0000-bbbb");
		const record = sampleRecord("20261122-0000-bbbb");
		await writeRunRecord(config, { ...record, config: { ...record.config, rounds: 4 } });
		const { out } = await run("runs compare aaaa bbbb");
		expect(out).toMatch(/status +completed +completed/);
		expect(out).toMatch(/rounds +3 +4/);
		expect(out).not.toContain("imageSize");
		const document = JSON.parse((await run("runs compare aaaa bbbb --json")).out);
		expect(document.settings).toEqual({ rounds: [3, 4] });
		expect(document.losses).toHaveLength(4);
		expect((await run("runs compare aaaa aaaa")).out).toContain("the settings are equal");
	});
});

describe("zk0 runs prune", () => {
	async function addFile(run: string, path: string, kilobytes = 100): Promise<void> {
		const file = join(cwd, "runs", run, path);
		await mkdir(dirname(file), { recursive: true });
		await writeFile(file, Buffer.alloc(kilobytes * 1024));
	}

	test("deletes what finished runs can do without, and nothing of others", async () => {
		const [old, open] = ["20261121-0000-aaaa", "20261122-0000-bbbb"];
		await makeRun(old);
		await makeRun(open, 5);
		for (const id of [old, open]) {
			for (const round of [0, 1, 2, 3])
				await addFile(id, `checkpoints/round_${round}/global/model.safetensors`);
			await addFile(id, "site-state/moments");
		}
		await mkdir(join(cwd, "runs", "20261123-0000-cccc"));
		await writeFile(join(cwd, "runs", "20261123-0000-cccc", "config.json"), "{");
		const dry = JSON.parse((await run("runs prune --dry-run --json")).out);
		expect(dry.deleted.map(({ what }: { what: string }) => what)).toEqual([
			"working files",
			"checkpoints of round 1",
			"checkpoints of round 2",
		]);
		expect(dry.unfinished).toEqual([open, "20261123-0000-cccc"]);
		expect(dry.before - dry.after).toBeGreaterThan(300_000);
		expect(await readdir(join(cwd, "runs", old, "checkpoints"))).toHaveLength(4);
		expect((await run("runs prune")).out).toMatch(/freed 3\d\d(\.\d)? kB/);
		expect((await readdir(join(cwd, "runs", old, "checkpoints"))).sort()).toEqual(["round_0", "round_3"]);
		expect(await readdir(join(cwd, "runs", open, "checkpoints"))).toHaveLength(4);
	});

	test("stops at the size that is asked for; whole runs only when told, the newest never", async () => {
		for (const id of ["20261121-0000-aaaa", "20261122-0000-bbbb"]) {
			await makeRun(id);
			for (const round of [0, 1, 2]) await addFile(id, `checkpoints/round_${round}/model`);
		}
		const total = JSON.parse((await run("runs prune --dry-run --json")).out).before;
		const enough = JSON.parse((await run(`runs prune --dry-run --json --max-size ${total - 50_000}`)).out);
		expect(enough.deleted).toHaveLength(1);
		const short = await run("runs prune --max-size 1kB");
		expect(short.code).toBe(EXIT_CODES.storage.code);
		expect(short.err).toContain("--whole-runs");
		expect((await run("runs prune --max-size 1kB --whole-runs --keep 1")).err).toContain("lower --keep");
		expect(await readdir(join(cwd, "runs"))).toEqual(["20261122-0000-bbbb"]);
	});
});

test("going on with a training that is completed trains nothing and says what came out", async () => {
	const paths = runPaths(join(cwd, "runs"), "1");
	await mkdir(paths.trainedModel, { recursive: true });
	const training = { steps: 4, saveFreq: 2, keepCheckpoints: 1 };
	await writeRunRecord(paths.config, { ...sampleRecord("1"), training });
	const event = { kind: "completed", step: 4, modelSha256: "abc" };
	const line = `${JSON.stringify({ at: "2026-11-23T12:00:00.000Z", event })}\n`;
	await writeFile(paths.trainingLog, line);
	const result = { site: "lab", steps: 4, samples: 16, trainLoss: 1, initialLoss: 2, finalLoss: 0.5 };
	const counts = { hits: 1, misses: 2, readBytes: 3, writtenBytes: 4 };
	const cache = { level: "kv", dtype: "float32", ...counts };
	const metrics = { ...result, heldOut: { jointErrorDeg: 3 }, cache, modelSha256: "abc", seed: 7 };
	await writeFile(paths.metrics, JSON.stringify(metrics));
	expect(JSON.parse((await run("runs resume latest --json")).out)).toMatchObject({
		...result,
		runId: "1",
		pretrainedModel: paths.trainedModel,
	});
	expect(await readFile(paths.trainingLog, "utf8")).toBe(line);
});

describe("what is about rounds", () => {
	const COMMANDS_OF_ROUNDS = [
		"verify latest",
		"report latest",
		"runs export latest",
		"push latest hf:me/x --dry-run",
	];

	test.each(COMMANDS_OF_ROUNDS)("zk0 %s refuses a training of one site", async (line) => {
		const { config, root } = runPaths(join(cwd, "runs"), "1");
		await mkdir(root, { recursive: true });
		const training = { steps: 1, saveFreq: 1, keepCheckpoints: 1 };
		await writeRunRecord(config, { ...sampleRecord("1"), training });
		expect(await run(line)).toMatchObject({
			code: EXIT_CODES.run.code,
			out: "",
			err: expect.stringMatching(/^error\[no-rounds\]: 1 is a training of one site/),
		});
	});

	test("a run that has not begun has nothing to verify, and nothing to publish", async () => {
		const { config, root } = runPaths(join(cwd, "runs"), "1");
		await mkdir(root, { recursive: true });
		await writeRunRecord(config, sampleRecord("1"));
		expect(await run("verify runs/1")).toMatchObject({ code: 0, out: expect.stringContaining("not begun") });
		expect((await run("push latest hf:me/x --dry-run")).err).toContain("has trained nothing yet");
	});
});
