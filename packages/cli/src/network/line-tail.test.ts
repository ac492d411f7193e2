// What a growing file gains is read once, in whole lines, across chunks and replacements.
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openLineTail } from "./line-tail.ts";

let dir = "";
beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-tail-"));
});
afterAll(() => rm(dir, { recursive: true }));

test("whole lines only, each once, and from the beginning of a file that was replaced", async () => {
	const path = join(dir, "log");
	const tail = openLineTail(path);
	expect(await tail.read()).toEqual([]);
	await writeFile(path, "one\ntwo ü\nthr");
	expect(await tail.read()).toEqual(["one", "two ü"]);
	expect(await tail.read()).toEqual([]);
	const long = "x".repeat(600_000);
	await appendFile(path, `ee\n${long}\n`);
	expect((await tail.read()).map(({ length }) => length)).toEqual([5, long.length]);
	await writeFile(path, "new\n");
	expect(await tail.read()).toEqual(["new"]);
	expect(await openLineTail(path, 2).read()).toEqual(["w"]);
});
