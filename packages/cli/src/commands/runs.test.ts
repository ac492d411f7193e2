import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEventLog } from "@zk0/federation";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EXIT_CODES } from "../exit-codes.ts";
import { runCli } from "../run-cli.ts";
import { runPaths } from "../run-directory/paths.ts";
import { writeRunRecord } from "../run-directory/run-record.ts";
import { captureHost } from "../testing/capture-host.ts";
import { sampleEvents } from "../testing/sample-events.ts";
import { sampleRecord } from "../testing/sample-record.ts";
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
