// A log that grows is cut while it is written, and no line of it is lost before it is two bounds old.
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { boundLog, cutLog } from "./bounded-log.ts";

let dir = "";
beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-log-"));
});
afterAll(() => rm(dir, { recursive: true }));

test("a log is cut at its bound, and its writer goes on in the same file", () => {
	const path = join(dir, "server.log");
	const writer = openSync(path, "a", 0o600);
	writeSync(writer, "first\n");
	expect(cutLog(path, 100)).toBe(false);
	writeSync(writer, "x".repeat(200));
	expect(cutLog(path, 100)).toBe(true);
	writeSync(writer, "second\n");
	closeSync(writer);
	expect([readFileSync(path, "utf8"), readFileSync(`${path}.1`, "utf8").slice(0, 6)]).toEqual([
		"second\n",
		"first\n",
	]);
});

test("the process's own log is watched, and what is written elsewhere is left alone", async () => {
	const path = join(dir, "client.log");
	const writer = openSync(path, "a", 0o600);
	const faults: unknown[] = [];
	const bound = { maxBytes: 10, everyMs: 5, descriptor: writer };
	using _ = boundLog(path, (error) => faults.push(error), bound);
	boundLog(join(dir, "other.log"), (error) => faults.push(error), bound)[Symbol.dispose]();
	writeSync(writer, "more than ten bytes\n");
	await expect.poll(() => readFileSync(path, "utf8")).toBe("");
	closeSync(writer);
	expect(readFileSync(`${path}.1`, "utf8")).toBe("more than ten bytes\n");
	expect(faults).toEqual([]);
});
