import { appendFile, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type EventLog, openEventLog, verifyEventLog } from "./event-log.ts";
import type { RoundEvent } from "./events.ts";
import { nodeFileSystem } from "./file-system.ts";
import { temporaryDir } from "./testing/toy-app.ts";

const at = "2026-01-01T00:00:00.000Z";

function joined(site: string, numSamples = 1): RoundEvent {
	return { kind: "site.joined", at, site, numSamples, details: { z: 1, a: ["é", null] }, publicKey: null };
}

async function logOf(path: string, sites: readonly string[]): Promise<void> {
	await using log = await openEventLog(path);
	for (const site of sites) await log.append([joined(site)]);
}

describe("EventLog", () => {
	test("keeps events in order over appends and reopening; transient events are not stored", async () => {
		await using dir = await temporaryDir();
		const path = join(dir.path, "deep", "events.jsonl");
		const waiting: RoundEvent = { kind: "run.waiting", at, numOnline: 0, numNeeded: 1 };
		{
			await using log = await openEventLog(path);
			await Promise.all([log.append([joined("a"), waiting, joined("b")]), log.append([joined("c")])]);
			await log.append([waiting]);
			expect(log.events).toEqual(["a", "b", "c"].map((site) => joined(site)));
		}
		await using again = await openEventLog(path);
		expect(again.events).toEqual(["a", "b", "c"].map((site) => joined(site)));
		await again.append([joined("d")]);
		const content = await verifyEventLog(path);
		expect(content.events).toHaveLength(4);
		expect(content.head).toBe(again.head);
		expect(content.tornBytes).toBe(0);
	});

	test("drops a torn last line, whatever its length, and goes on", async () => {
		await using dir = await temporaryDir();
		const whole = join(dir.path, "whole.jsonl");
		await logOf(whole, ["a", "b", "c"]);
		const bytes = await readFile(whole);
		const lastStart = bytes.lastIndexOf(0x0a, bytes.length - 2) + 1;
		for (const size of [lastStart, lastStart + 1, lastStart + 20, bytes.length - 1]) {
			const path = join(dir.path, `torn-${size}.jsonl`);
			await writeFile(path, bytes);
			await truncate(path, size);
			await using log = await openEventLog(path);
			expect(log.events).toHaveLength(2);
			await log.append([joined("d")]);
			expect((await verifyEventLog(path)).events.map((event) => "site" in event && event.site)).toEqual([
				"a",
				"b",
				"d",
			]);
		}
	});

	test("finds any changed, removed, doubled or moved line and names it", async () => {
		await using dir = await temporaryDir();
		const path = join(dir.path, "events.jsonl");
		await logOf(path, ["a", "b", "c", "d"]);
		const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
		const [a = "", b = "", c = "", d = ""] = lines;
		const cases: [string[], string][] = [
			[[a, c, d], "line 2"],
			[[b, c, d], "line 1"],
			[[a, b, b, c, d], "line 3"],
			[[a, c, b, d], "line 2"],
			[[a, b.replace('"b"', '"x"'), c, d], "line 2"],
			[[a, b, c, d.replace('"d"', '"x"')], "line 4"],
			[[a, b, "{}", d], "line 3"],
			[[a, b, "nonsense", d], "line 3"],
			[["", a], "line 1"],
		];
		for (const [changed, where] of cases) {
			await writeFile(path, `${changed.join("\n")}\n`);
			await expect(verifyEventLog(path)).rejects.toMatchObject({ code: "log-tampered" });
			await expect(openEventLog(path)).rejects.toThrow(where);
		}
	});

	test("finds a flip of any single bit before the last line's end", async () => {
		await using dir = await temporaryDir();
		const path = join(dir.path, "events.jsonl");
		await logOf(path, ["a", "b"]);
		const bytes = await readFile(path);
		await fc.assert(
			fc.asyncProperty(fc.nat(bytes.length - 2), fc.nat(6), async (index, bit) => {
				const changed = Buffer.from(bytes);
				changed[index] = (changed[index] ?? 0) ^ (1 << bit);
				await writeFile(path, changed);
				await expect(verifyEventLog(path)).rejects.toMatchObject({ code: "log-tampered" });
			}),
			{ numRuns: 150 },
		);
	});

	test("a well-chained line with an unknown event is refused, not skipped", async () => {
		await using dir = await temporaryDir();
		const path = join(dir.path, "events.jsonl");
		// An event of a type that this version does not have.
		const alien = { kind: "alien", at } as unknown as RoundEvent;
		await using log: EventLog = await openEventLog(path);
		await log.append([alien]);
		await expect(verifyEventLog(path)).rejects.toThrow(
			"holds no known event; read it with the version of zk0 that wrote it",
		);
	});

	test("a full disk is a typed error, closes the log, and the next open goes on from whole lines", async () => {
		await using dir = await temporaryDir();
		const path = join(dir.path, "events.jsonl");
		await logOf(path, ["a"]);
		const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
		const log = await openEventLog(path, {
			...nodeFileSystem,
			open: async (name, flags) => {
				const file = await nodeFileSystem.open(name, flags);
				file.sync = () => Promise.reject(full);
				return file;
			},
			truncate: () => Promise.reject(full),
		}).catch((error: unknown) => error);
		// The directory could not be synced either: opening fails and says why.
		expect(log).toMatchObject({ code: "disk-full" });
		let isFull = false;
		await using writing = await openEventLog(path, {
			...nodeFileSystem,
			open: async (name, flags) => {
				const file = await nodeFileSystem.open(name, flags);
				const write = file.write.bind(file);
				// Stands in for the overloads of FileHandle.write; only the buffer form is used.
				file.write = (async (buffer: Uint8Array, offset: number) => {
					if (isFull) throw full;
					isFull = true;
					return await write(buffer, offset, 30);
				}) as typeof file.write;
				return file;
			},
		});
		await expect(writing.append([joined("b")])).rejects.toMatchObject({ code: "disk-full" });
		await expect(writing.append([joined("c")])).rejects.toMatchObject({ code: "closed" });
		expect(writing.events).toHaveLength(1);
		await using again = await openEventLog(path);
		expect(again.events).toEqual([joined("a")]);
	});

	test("reads an empty log; a missing one is an error for verify", async () => {
		await using dir = await temporaryDir();
		const path = join(dir.path, "events.jsonl");
		await expect(verifyEventLog(path)).rejects.toMatchObject({ code: "storage" });
		await appendFile(path, "");
		expect((await verifyEventLog(path)).events).toEqual([]);
	});
});
