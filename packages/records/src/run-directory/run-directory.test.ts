import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sampleRecord } from "../testing/sample-record.ts";
import { runPaths } from "./paths.ts";
import { diskBytes } from "./prune-plan.ts";
import { holderOf, lockRun } from "./run-lock.ts";
import { readRunRecord, writeRunRecord } from "./run-record.ts";

let out = "";
beforeEach(async () => {
	out = await mkdtemp(join(tmpdir(), "zk0-runs-"));
});
afterEach(() => rm(out, { recursive: true }));

describe("run record", () => {
	test("reads back as written", async () => {
		const { config } = runPaths(out, "r");
		await mkdir(join(out, "r"));
		await writeRunRecord(config, sampleRecord("r"));
		expect(await readRunRecord(config)).toEqual(sampleRecord("r"));
	});

	test.each(["{", "{}", '{"format":"other"}'])("%s is a damaged record", async (text) => {
		await writeFile(join(out, "config.json"), text);
		await expect(readRunRecord(join(out, "config.json"))).rejects.toMatchObject({ code: "run-damaged" });
	});
});

describe("lockRun", () => {
	const path = (): string => join(out, "run.lock");
	const lockOf = (holder: { pid: number; host: string; start?: string }): Promise<void> =>
		writeFile(path(), JSON.stringify(holder));

	test("is held until disposed", async () => {
		{
			await using lock = await lockRun(path());
			expect(lock).toBeDefined();
			expect(await readdir(out)).toEqual(["run.lock"]);
		}
		expect(await readdir(out)).toEqual([]);
	});

	test("a living holder is respected, here and on other machines", async () => {
		await lockOf({ pid: process.ppid, host: hostname() });
		await expect(lockRun(path())).rejects.toMatchObject({
			code: "run-in-use",
			message: expect.stringContaining("run.lock"),
		});
		await lockOf({ pid: 1, host: "elsewhere" });
		await expect(lockRun(path())).rejects.toMatchObject({ code: "run-in-use" });
		await expect(lockRun({ path: path(), what: "serves" })).rejects.toThrow("1 on elsewhere serves; stop");
	});

	test("a lock that is there and not yet written is not taken from who writes it", async () => {
		await writeFile(path(), "");
		const locking = lockRun(path());
		// Long enough that a lock which is taken at once was taken.
		await setTimeout(40);
		await lockOf({ pid: 1, host: "elsewhere" });
		await expect(locking).rejects.toMatchObject({ code: "run-in-use" });
	});

	test.runIf(existsSync("/proc/self/stat"))(
		"a later process with the holder's id holds nothing",
		async () => {
			await lockOf({ pid: process.ppid, host: hostname(), start: "an earlier boot 4711" });
			expect(await holderOf(path())).toBeUndefined();
			await using lock = await lockRun(path());
			expect(lock).toBeDefined();
			expect(await holderOf(path())).toMatchObject({ pid: process.pid, host: hostname() });
			await expect(lockRun(path())).rejects.toMatchObject({ code: "run-in-use" });
		},
	);

	test.runIf(existsSync("/proc/self/stat"))("of two who take over the same lock one has it", async () => {
		for (let tries = 0; tries < 20; tries++) {
			await lockOf({ pid: process.ppid, host: hostname(), start: "an earlier boot 4711" });
			const ends = await Promise.allSettled([lockRun(path()), lockRun(path())]);
			expect(ends.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
			expect(await readdir(out)).toEqual(["run.lock"]);
		}
	});

	test("the lock of a dead process and a torn lock are taken over", async () => {
		const { pid } = spawnSync(process.execPath, ["--version"]);
		await lockOf({ pid, host: hostname() });
		await (await lockRun(path()))[Symbol.asyncDispose]();
		await writeFile(path(), '{"pid": 12');
		await (await lockRun(path()))[Symbol.asyncDispose]();
		expect(await readdir(out)).toEqual([]);
	});
});

test("what goes while a folder is measured takes nothing", async () => {
	await writeFile(join(out, "kept"), Buffer.alloc(5000));
	await symlink(join(out, "nowhere"), join(out, "link"));
	const [before, gone] = [await diskBytes(out), await diskBytes(join(out, "gone"))];
	expect(gone).toBe(0);
	expect(before).toBeGreaterThanOrEqual(4096);
});
