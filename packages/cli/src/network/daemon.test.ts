// Starting a background process that does not get ready.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isProcessAlive } from "@zk0/arrays/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Daemon, startDaemon } from "./daemon.ts";

let dir = "";
const { argv } = process;
beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-daemon-"));
	const main = join(dir, "main.mjs");
	await writeFile(
		main,
		`import { writeFileSync } from "node:fs";
		if (process.argv[2] === "fail") { console.error("error[x]: no luck"); process.exit(3); }
		writeFileSync(process.argv[3], String(process.pid));
		setInterval(() => {}, 1000);`,
	);
	process.argv = [process.execPath, main];
});
afterAll(async () => {
	process.argv = argv;
	await rm(dir, { recursive: true });
});

const daemon = (): Daemon => ({
	role: "server",
	log: join(dir, "server.log"),
	lock: join(dir, "server.lock"),
	ready: join(dir, "admin.json"),
});

test("one that ends says how, and what it logged itself", async () => {
	await writeFile(daemon().log, "what an earlier one said\n");
	await expect(startDaemon(daemon(), ["fail"], new AbortController().signal)).rejects.toMatchObject({
		code: "start-failed",
		message: "the server did not start (exit code 3): error[x]: no luck",
	});
});

test("one that is not waited for any more is stopped", async () => {
	const stopping = new AbortController();
	const path = join(dir, "pid");
	const starting = startDaemon(daemon(), ["hang", path], stopping.signal);
	const pidOf = async (): Promise<number> => Number(await readFile(path, "utf8").catch(() => "0"));
	await expect.poll(pidOf, { timeout: 10_000 }).toBeGreaterThan(0);
	stopping.abort();
	await expect(starting).rejects.toMatchObject({ code: "interrupted" });
	const pid = await pidOf();
	await expect.poll(() => isProcessAlive(pid), { timeout: 10_000 }).toBe(false);
});
