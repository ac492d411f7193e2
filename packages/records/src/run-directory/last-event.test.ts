import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEventLog } from "@zk0/federation";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sampleEvents } from "../testing/sample-events.ts";
import { lastEvent } from "./last-event.ts";

let path = "";
beforeEach(async () => {
	path = join(await mkdtemp(join(tmpdir(), "zk0-last-event-")), "events.jsonl");
});
afterEach(() => rm(join(path, ".."), { recursive: true }));

test("the last event of a log, also behind a line that a crash tore", async () => {
	const events = sampleEvents({ sites: ["kitchen", "workshop"], numRounds: 3 });
	{
		await using log = await openEventLog(path);
		await log.append(events);
	}
	expect(await lastEvent(path)).toEqual(events.at(-1));
	await appendFile(path, '{"seq": 99, "ev');
	expect(await lastEvent(path)).toEqual(events.at(-1));
});

test("null for no log, an empty one, and what is no event", async () => {
	expect(await lastEvent(path)).toBeNull();
	await writeFile(path, "");
	expect(await lastEvent(path)).toBeNull();
	await writeFile(path, `${"x".repeat(100_000)}\n`);
	expect(await lastEvent(path)).toBeNull();
	await writeFile(path, '{"event":{"kind":"unheard-of"}}\n');
	expect(await lastEvent(path)).toBeNull();
});
