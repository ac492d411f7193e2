import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, open, readdir, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { smallDisk } from "../testing/small-disk.ts";
import { entryBytes, entryKey } from "../testing/store-entries.ts";
import { decodeRecords, encodeRecord, type IndexRecord, RECORD_BYTES } from "./index-record.ts";
import { clearStore, inspectStore } from "./maintenance.ts";
import { openStore, type Store, type StoreEvent, type StoreOptions } from "./store.ts";

const AMPLE = 2 ** 24;
let dir = "";
beforeEach(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-store-"));
});
afterEach(() => rm(dir, { recursive: true }));

const openHere = (options: Partial<StoreOptions> = {}) => openStore({ dir, budgetBytes: AMPLE, ...options });
const put = (store: Store, number: number) => store.put(entryKey(number), [entryBytes(number)]);

/** Whether the entry is there; fails when it is there with other bytes. */
async function holds(store: Store, number: number): Promise<boolean> {
	const expected = entryBytes(number);
	const target = new Uint8Array(expected.length);
	if (!(await store.read(entryKey(number), [target]))) return false;
	expect(Buffer.compare(target, expected)).toBe(0);
	return true;
}

async function held(store: Store, numbers: readonly number[]): Promise<number[]> {
	const found: number[] = [];
	for (const number of numbers) if (await holds(store, number)) found.push(number);
	return found;
}

async function filesOf(suffix: string): Promise<string[]> {
	return (await readdir(dir)).filter((name) => name.endsWith(suffix)).map((name) => join(dir, name));
}

async function diskBytes(): Promise<number> {
	const sizes = await Promise.all((await readdir(dir)).map((name) => stat(join(dir, name))));
	return sizes.reduce((sum, { size }) => sum + size, 0);
}

const upTo = (end: number) => Array.from({ length: end }, (_, number) => number);

describe("the store", () => {
	test("gives back what was put, split over any targets, here and after opening again", async () => {
		const lengths = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 6 });
		await using store = await openHere();
		let number = 0;
		await fc.assert(
			fc.asyncProperty(lengths, lengths, async (from, to) => {
				const size = Math.min(
					from.reduce((a, b) => a + b, 0),
					to.reduce((a, b) => a + b, 0),
				);
				const bytes = Uint8Array.from({ length: size }, (_, index) => index * 7 + number);
				const cut = (parts: readonly number[]): Uint8Array[] => {
					const ends = parts.map((_, index) => parts.slice(0, index + 1).reduce((a, b) => a + b, 0));
					const places = [0, ...ends.map((end) => Math.min(end, size)), size];
					return places.slice(1).map((end, index) => bytes.slice(places[index], end));
				};
				const key = entryKey(number++);
				expect(await store.put(key, cut(from))).toBe(true);
				const targets = cut(to).map((part) => new Uint8Array(part.length));
				expect(await store.read(key, targets)).toBe(true);
				expect(Buffer.compare(Buffer.concat(targets), bytes)).toBe(0);
			}),
			{ numRuns: 40 },
		);
		await using other = await openHere();
		expect(other.numEntries).toBe(number);
	});

	test("does what a Map does, whatever is put, read, reopened, torn off or damaged", async () => {
		const step = fc.oneof(
			fc.record({ do: fc.constant("put" as const), number: fc.integer({ min: 0, max: 25 }) }),
			fc.record({ do: fc.constant("read" as const), number: fc.integer({ min: 0, max: 25 }) }),
			fc.record({ do: fc.constantFrom("reopen" as const, "refresh" as const) }),
			fc.record({
				do: fc.constantFrom("tear-data" as const, "tear-index" as const, "damage" as const),
				at: fc.double({ min: 0, max: 0.999, noNaN: true }),
			}),
		);
		const budget = fc.constantFrom(9000, 40_000, AMPLE);
		await fc.assert(
			fc.asyncProperty(fc.array(step, { maxLength: 40 }), budget, async (steps, budgetBytes) => {
				await clearStore(dir);
				let store = await openHere({ budgetBytes });
				const kept = new Set<number>();
				const wrong: number[] = [];
				let isWhole = true;
				try {
					for (const action of steps) {
						if (action.do === "put") {
							if (await put(store, action.number)) kept.add(action.number);
						} else if (action.do === "read") {
							const isThere = await holds(store, action.number);
							const mayBe = kept.has(action.number);
							const mustBe = mayBe && isWhole && budgetBytes === AMPLE;
							if ((isThere && !mayBe) || (!isThere && mustBe)) wrong.push(action.number);
						} else if (action.do === "reopen") {
							await store[Symbol.asyncDispose]();
							store = await openHere({ budgetBytes });
						} else if (action.do === "refresh") await store.refresh();
						else if ("at" in action) {
							const files = await filesOf(action.do === "tear-index" ? ".index" : ".data");
							const path = files[Math.floor(action.at * files.length)];
							if (path === undefined) continue;
							isWhole = false;
							const { size } = await stat(path);
							if (action.do === "damage") await flip(path, Math.floor(action.at * size));
							else await truncate(path, Math.floor(action.at * size));
						}
						expect(await diskBytes()).toBeLessThanOrEqual(budgetBytes);
					}
				} finally {
					await store[Symbol.asyncDispose]();
				}
				expect(wrong).toEqual([]);
			}),
			{ numRuns: 40 },
		);
	});

	test("has one entry for a key that is put many times at once", async () => {
		await using store = await openHere();
		await Promise.all(Array.from({ length: 20 }, () => put(store, 1)));
		expect(await diskBytes()).toBe(entryBytes(1).length + 2 * RECORD_BYTES);
	});

	test("sees what others have written after it was opened", async () => {
		await using one = await openHere();
		await using two = await openHere();
		await put(one, 1);
		expect(await holds(two, 1)).toBe(false);
		await Promise.all([two.refresh(), two.refresh()]);
		expect(await holds(two, 1)).toBe(true);
		await put(one, 2);
		await two.refresh();
		expect(await held(two, [1, 2])).toEqual([1, 2]);
	});
});

async function flip(path: string, position: number): Promise<void> {
	const file = await open(path, "r+");
	const byte = new Uint8Array(1);
	await file.read(byte, 0, 1, position);
	await file.write(Uint8Array.of((byte[0] ?? 0) ^ 0x10), 0, 1, position);
	await file.close();
}

describe("a budget", () => {
	const budgetBytes = 40_000;

	test("evicts the segments that were unused longest, and none that this process uses", async () => {
		{
			await using first = await openHere({ budgetBytes, clock: () => 1_000_000 });
			for (const number of upTo(24)) expect(await put(first, number)).toBe(true);
		}
		await using second = await openHere({ budgetBytes, clock: () => 9_000_000 });
		for (const path of await filesOf(".index")) await utimes(path, 1000, 1000);
		const [last = 0] = await held(second, [23]);
		expect(last).toBe(23);
		for (let number = 100; second.stopped === null; number++) await put(second, number);
		expect(second.stopped.reason).toBe("budget-full");
		expect(await diskBytes()).toBeLessThanOrEqual(budgetBytes);
		expect(await diskBytes()).toBeGreaterThan(0.7 * budgetBytes);
		expect(await holds(second, 23)).toBe(true);
		expect(await holds(second, 100)).toBe(true);
		const old = await held(second, upTo(23));
		expect(old.length).toBeLessThan(6);
	});

	test("counts what other processes announce to write", async () => {
		await using one = await openHere({ budgetBytes });
		await put(one, 1);
		const events: StoreEvent[] = [];
		await using two = await openHere({ budgetBytes, onEvent: (event) => events.push(event) });
		for (let number = 10; two.stopped === null; number++) await put(two, number);
		const announced = (await records(await filesOf(".index"))).map((record) =>
			record.kind === "segment" ? record.limitBytes : 0,
		);
		const limitBytes = Math.max(...announced);
		expect(limitBytes).toBeGreaterThan(0);
		expect(await diskBytes()).toBeLessThanOrEqual(budgetBytes - limitBytes + 2 * entryBytes(1).length);
		expect(await holds(one, 1)).toBe(true);
		expect(events).toHaveLength(1);
	});

	test("smaller than an entry keeps nothing and says so", async () => {
		await using store = await openHere({ budgetBytes: 100 });
		expect(await store.put(entryKey(1), [new Uint8Array(200)])).toBe(false);
		expect(store.stopped?.reason).toBe("budget-full");
		expect(await readdir(dir)).toEqual([]);
	});

	test("cleans up after evictions that were killed half-way", async () => {
		const dead = join(dir, `${hostname()}.999999999.aabbcc.data`);
		await writeFile(dead, "left");
		await using store = await openHere({ budgetBytes });
		await put(store, 1);
		expect(existsSync(dead)).toBe(false);
	});
});

async function records(paths: readonly string[]): Promise<IndexRecord[]> {
	const all: IndexRecord[] = [];
	for (const path of paths) {
		const file = await open(path);
		all.push(...decodeRecords(await file.readFile()).records);
		await file.close();
	}
	return all;
}

describe("a full disk", () => {
	test("stops writing, keeps what is whole and goes on reading", async () => {
		await fc.assert(
			fc.asyncProperty(fc.integer({ min: 0, max: 12_000 }), async (quota) => {
				await clearStore(dir);
				const events: StoreEvent[] = [];
				const kept: number[] = [];
				{
					await using store = await openHere({
						fileSystem: smallDisk(quota),
						onEvent: (event) => events.push(event),
					});
					for (const number of upTo(20)) if (await put(store, number)) kept.push(number);
					expect(store.stopped?.reason).toBe("disk-full");
					expect(await held(store, upTo(20))).toEqual(kept);
				}
				expect(events).toHaveLength(1);
				await using again = await openHere();
				expect(await held(again, upTo(20))).toEqual(kept);
				expect(await put(again, 19)).toBe(true);
			}),
			{ numRuns: 25 },
		);
	});

	test("is told apart from a directory that may not be written", async () => {
		await using store = await openHere();
		await rm(dir, { recursive: true });
		expect(await put(store, 1)).toBe(false);
		expect(store.stopped).toMatchObject({ reason: "storage", message: expect.stringContaining("ENOENT") });
		dir = await mkdtemp(join(tmpdir(), "zk0-store-"));
	});
});

describe("damage", () => {
	test("is found at reading, dropped, and repaired by putting again", async () => {
		{
			await using store = await openHere();
			for (const number of upTo(3)) await put(store, number);
		}
		const [path = ""] = await filesOf(".data");
		await flip(path, entryBytes(0).length + 3);
		const events: StoreEvent[] = [];
		await using store = await openHere({ onEvent: (event) => events.push(event) });
		expect(await held(store, upTo(3))).toEqual([0, 2]);
		expect(events).toMatchObject([{ kind: "entry-damaged" }]);
		await using other = await openHere();
		expect(other.has(entryKey(1))).toBe(false);
		await put(other, 1);
		expect(await held(other, upTo(3))).toEqual([0, 1, 2]);
	});

	test("is found by verification, whatever byte it hits", async () => {
		{
			await using store = await openHere();
			for (const number of upTo(6)) await put(store, number);
		}
		const [path = ""] = await filesOf(".data");
		const { size } = await stat(path);
		await fc.assert(
			fc.asyncProperty(fc.integer({ min: 0, max: size - 1 }), async (position) => {
				await flip(path, position);
				const [index = ""] = await filesOf(".index");
				const { size: indexSize } = await stat(index);
				const [report] = await inspectStore(dir, { verify: true });
				expect(report).toMatchObject({ numEntries: 6, numDamaged: 1, isWritten: false });
				expect((await inspectStore(dir))[0]).toMatchObject({ numEntries: 5, numDamaged: null });
				await flip(path, position);
				await truncate(index, indexSize);
			}),
			{ numRuns: 15 },
		);
	});

	test("of the index costs entries and never gives wrong ones", async () => {
		{
			await using store = await openHere();
			for (const number of upTo(6)) await put(store, number);
		}
		const [path = ""] = await filesOf(".index");
		await fc.assert(
			fc.asyncProperty(fc.integer({ min: 0, max: 8 * RECORD_BYTES - 1 }), async (position) => {
				await flip(path, position);
				await using store = await openHere();
				const whole = Math.max(0, Math.floor(position / RECORD_BYTES) - 1);
				expect(await held(store, upTo(6))).toEqual(upTo(Math.min(6, whole)));
				await flip(path, position);
			}),
			{ numRuns: 15 },
		);
	});

	test("records survive their encoding", () => {
		const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((it) => Buffer.from(it).toString("hex"));
		const offset = fc.nat(Number.MAX_SAFE_INTEGER);
		const word = fc.nat(2 ** 32 - 1);
		const record: fc.Arbitrary<IndexRecord> = fc.oneof(
			fc.record({ kind: fc.constant("segment" as const), limitBytes: offset }),
			fc.record({ kind: fc.constant("entry" as const), key, offset, length: word, checksum: word }),
			fc.record({ kind: fc.constant("drop" as const), key, offset }),
			fc.record({ kind: fc.constant("seal" as const) }),
		);
		fc.assert(
			fc.property(fc.array(record), fc.uint8Array({ maxLength: 63 }), (list, rest) => {
				const bytes = Buffer.concat([...list.map(encodeRecord), rest]);
				expect(decodeRecords(bytes)).toEqual({ records: list, isDamaged: false });
			}),
		);
	});
});

describe("several processes", () => {
	const script = fileURLToPath(new URL("../testing/store-process.ts", import.meta.url));
	const execArgv = ["--import", "tsx", "--conditions=source", script];

	/** Entries that the process says it kept, as it says so. */
	function writer(first: number, count: number): { child: ChildProcess; kept: AsyncIterable<string> } {
		const child = spawn(process.execPath, [...execArgv, dir, String(first), String(count)], {
			stdio: ["ignore", "pipe", "inherit"],
		});
		return { child, kept: createInterface({ input: child.stdout }) };
	}

	test("fill one store at the same time, and one that reads sees all of it", async () => {
		const writers = [writer(0, 60), writer(30, 60)];
		await Promise.all(writers.map(({ child }) => once(child, "exit")));
		await using store = await openHere();
		expect(await held(store, upTo(90))).toEqual(upTo(90));
		expect((await inspectStore(dir, { verify: true })).map(({ numDamaged }) => numDamaged)).toEqual([0, 0]);
	});

	test("a killed writer costs at most the entry in its hands", async () => {
		for (const numBefore of [1, 25]) {
			const { child, kept } = writer(0, 100_000);
			const ended = once(child, "exit");
			const said: number[] = [];
			for await (const line of kept) {
				said.push(Number.parseInt(line, 10));
				if (said.length === numBefore) child.kill("SIGKILL");
			}
			// Its output ends before it does.
			await ended;
			await using store = await openHere({ budgetBytes: 2 ** 30 });
			expect(await held(store, said)).toEqual(said);
			expect(await put(store, 200_000 + numBefore)).toBe(true);
			expect((await inspectStore(dir)).filter(({ isWritten }) => isWritten)).toHaveLength(1);
		}
	});
});
