// Words that name a run.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listRunIds } from "@zk0/records";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findRun } from "./find-run.ts";

let out = "";
beforeEach(async () => {
	out = await mkdtemp(join(tmpdir(), "zk0-runs-"));
});
afterEach(() => rm(out, { recursive: true }));

async function makeRun(id: string): Promise<void> {
	await mkdir(join(out, id));
	await writeFile(join(out, id, "config.json"), "{}");
}

describe("findRun", () => {
	test("finds by id, beginning, end, latest and path", async () => {
		await makeRun("20261122-0900-aaaa");
		await makeRun("20261123-1000-bbbb");
		await mkdir(join(out, "not-a-run"));
		expect(await listRunIds(out)).toEqual(["20261122-0900-aaaa", "20261123-1000-bbbb"]);
		for (const word of [
			"20261123-1000-bbbb",
			"bbbb",
			"20261123",
			"latest",
			join(out, "20261123-1000-bbbb"),
		]) {
			expect((await findRun(out, word)).id).toBe("20261123-1000-bbbb");
		}
	});

	test("says what is wrong with any other word", async () => {
		await expect(findRun(join(out, "absent"), "x")).rejects.toMatchObject({
			code: "run-not-found",
			cure: expect.stringContaining("zk0 simulate"),
		});
		await makeRun("20261122-0900-aaaa");
		await makeRun("20261123-1000-bbbb");
		await expect(findRun(out, "2026")).rejects.toMatchObject({
			message: expect.stringContaining("could be"),
		});
		await expect(findRun(out, "20261123-1000-bbbc")).rejects.toMatchObject({
			cure: "did you mean 20261123-1000-bbbb?",
		});
		await expect(findRun(out, "zz")).rejects.toMatchObject({
			cure: expect.stringContaining("zk0 runs list"),
		});
	});
});
