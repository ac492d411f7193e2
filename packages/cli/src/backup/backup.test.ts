// A backup has everything and only that, is taken while a server writes, and comes back whole or not at all.
import { createHash } from "node:crypto";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualClock, openEventLog, openMemberLog } from "@zk0/federation";
import { sampleEvents } from "@zk0/records/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { COMMANDS } from "../commands/index.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { VERSION } from "../version.ts";

let dir: string;
beforeEach(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-backup-"));
	await mkdir(join(dir, "server"));
	await using members = await openMemberLog(at("members.jsonl"), manualClock());
	await members.invite("secret", { expiresAtMs: 1e12 });
	await writeFile(at("authority.key"), "PRIVATE");
	for (const name of ["admin.json", "server.lock", "server.log"]) await writeFile(at(name), "{}");
	await makeRun("r1");
});
afterEach(async () => {
	await rm(dir, { recursive: true });
});

const at = (...path: string[]): string => join(dir, "server", ...path);

/** A run in its second round, whose object store has what the log names. */
async function makeRun(runId: string): Promise<void> {
	const objects = at("runs", runId, "federation", "server", "objects");
	await mkdir(objects, { recursive: true });
	await mkdir(at("runs", runId, "federation", "server", "incoming"));
	await writeFile(at("runs", runId, "federation", "server", "incoming", "half"), "half");
	await mkdir(at("runs", runId, "checkpoints", "round_0", "global"), { recursive: true });
	await writeFile(at("runs", runId, "checkpoints", "round_0", "global", "model.safetensors"), "weights");
	await writeFile(at("runs", runId, "config.json"), "{}");
	await writeFile(at("runs", runId, "run.lock"), "{}");
	const events = sampleEvents({ sites: ["a", "b"], numRounds: 2, runId }).slice(0, -1);
	await using log = await openEventLog(at("runs", runId, "events.jsonl"));
	await log.append(events);
	for (const round of [0, 1, 2]) await writeFile(join(objects, String(round).padStart(64, "0")), `${round}`);
}

async function zk0(...words: string[]) {
	const host = captureHost({ cwd: dir });
	const code = await runCli(words, host, { commands: COMMANDS, version: VERSION });
	return { code, out: host.out(), err: host.err() };
}

const backup = () => zk0("server", "backup", "b.tar", "--state", "server");
const restore = () => zk0("server", "restore", "b.tar", "--state", "again");

async function contents(folder: string): Promise<Record<string, string>> {
	const found: Record<string, string> = {};
	for (const name of await readdir(folder, { recursive: true })) {
		const path = join(folder, name);
		if ((await stat(path)).isFile())
			found[name] = createHash("sha256")
				.update(await readFile(path))
				.digest("hex");
	}
	return found;
}

test("everything comes back but what belongs to a running process", async () => {
	const saved = await backup();
	expect(saved).toMatchObject({ code: 0, err: "" });
	expect(saved.out).toMatch(/^8 files, .*1 runs.*\nit holds the private keys/);
	expect((await stat(join(dir, "b.tar"))).mode & 0o777).toBe(0o600);
	expect(await readdir(dir)).toEqual(["b.tar", "server"]);
	expect(await restore()).toMatchObject({ code: 0, err: "" });
	const before = await contents(at());
	for (const name of ["admin.json", "server.lock", "server.log", "runs/r1/run.lock"]) delete before[name];
	delete before["runs/r1/federation/server/incoming/half"];
	expect(await contents(join(dir, "again"))).toEqual(before);
	expect((await stat(join(dir, "again", "authority.key"))).mode & 0o077).toBe(0);
	expect(await restore()).toMatchObject({ code: 9, err: expect.stringContaining("is not empty") });
});

test("a line that is being written is left out, and the log still opens", async () => {
	const whole = await readFile(at("runs", "r1", "events.jsonl"), "utf8");
	await appendFile(at("runs", "r1", "events.jsonl"), '{"seq":99,"prev":');
	await backup();
	expect(await restore()).toMatchObject({ code: 0 });
	expect(await readFile(join(dir, "again", "runs", "r1", "events.jsonl"), "utf8")).toBe(whole);
});

test("a run whose objects are gone is not saved as if it were whole", async () => {
	await rm(at("runs", "r1", "federation", "server", "objects", "2".padStart(64, "0")));
	expect(await backup()).toMatchObject({ code: 9, err: expect.stringContaining("are not there") });
	expect(await readdir(dir)).toEqual(["server"]);
	expect((await readdir(at())).filter((name) => name.startsWith("backup-"))).toEqual([]);
});

test("what a backup that was killed left is deleted by a later one, and that of one under way is not", async () => {
	for (const name of ["backup-killed", "backup-under-way"]) {
		await mkdir(at(name));
		await writeFile(at(name, "model.safetensors"), "weights");
	}
	await utimes(at("backup-killed"), 1, 1);
	await utimes(at("backup-under-way"), 1_800_000_000, 1_800_000_000);
	expect(await backup()).toMatchObject({ code: 0, out: expect.stringMatching(/^8 files/) });
	expect((await readdir(at())).filter((name) => name.startsWith("backup-"))).toEqual(["backup-under-way"]);
});

test("a damaged file restores nothing", async () => {
	await backup();
	const good = await readFile(join(dir, "b.tar"));
	const flipped = Buffer.from(good);
	const place = flipped.indexOf("PRIVATE");
	flipped[place] = 0x41;
	for (const [bytes, why] of [
		[flipped, "authority.key is not what was saved"],
		[good.subarray(0, good.length >> 1), "take another backup"],
		[Buffer.from("no tar"), "take another backup"],
		[Buffer.alloc(0), "take another backup"],
	] as const) {
		await writeFile(join(dir, "b.tar"), bytes);
		const { code, err } = await restore();
		expect([code, err]).toEqual([9, expect.stringContaining(why)]);
		expect((await readdir(dir)).sort()).toEqual(["b.tar", "server"]);
	}
});

test("without a server there is nothing to save", async () => {
	expect(await zk0("server", "backup", "b.tar", "--state", "other")).toMatchObject({ code: 12 });
});
