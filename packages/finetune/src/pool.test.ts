import { describe, expect, test } from "vitest";
import { createPool } from "./pool.ts";

function item(name: string) {
	return {
		name,
		disposals: 0,
		async [Symbol.asyncDispose]() {
			this.disposals++;
		},
	};
}

function gate(): { readonly open: () => void; readonly opened: Promise<void> } {
	let open = (): void => undefined;
	const opened = new Promise<void>((resolve) => {
		open = resolve;
	});
	return { open, opened };
}

describe("pool", () => {
	test("never lends an item twice and serves in order of arrival", async () => {
		await using pool = createPool([item("a"), item("b")]);
		const busy = new Set<string>();
		const order: number[] = [];
		const work = (turn: number) =>
			pool.use(async ({ name }) => {
				expect(busy.has(name)).toBe(false);
				busy.add(name);
				order.push(turn);
				await new Promise((resolve) => setImmediate(resolve));
				busy.delete(name);
				return turn * 2;
			});
		const turns = [0, 1, 2, 3, 4, 5, 6];
		expect(await Promise.all(turns.map(work))).toEqual(turns.map((turn) => turn * 2));
		expect(order).toEqual(turns);
	});

	test("an item comes back after a failure", async () => {
		await using pool = createPool([item("a")]);
		await expect(pool.use(() => Promise.reject(new RangeError("broken")))).rejects.toThrow("broken");
		expect(await pool.use(async ({ name }) => name)).toBe("a");
	});

	test("an aborted waiter leaves the queue and the next one is served", async () => {
		await using pool = createPool([item("a")]);
		const hold = gate();
		const first = pool.use(() => hold.opened);
		const controller = new AbortController();
		const second = pool.use(async () => "second", { signal: controller.signal });
		const third = pool.use(async () => "third");
		controller.abort(new DOMException("enough", "AbortError"));
		await expect(second).rejects.toThrow("enough");
		hold.open();
		await first;
		expect(await third).toBe("third");
		await expect(pool.use(async () => 1, { signal: controller.signal })).rejects.toThrow("enough");
	});

	test("disposal waits for running turns, disposes each item once and ends the pool", async () => {
		const items = [item("a"), item("b")];
		const pool = createPool(items);
		const hold = gate();
		const running = pool.use(() => hold.opened);
		const disposal = pool[Symbol.asyncDispose]();
		expect(items.map(({ disposals }) => disposals)).toEqual([0, 0]);
		hold.open();
		await running;
		await disposal;
		await pool[Symbol.asyncDispose]();
		expect(items.map(({ disposals }) => disposals)).toEqual([1, 1]);
		await expect(pool.use(async () => 1)).rejects.toThrow(TypeError);
		expect(() => createPool([])).toThrow(RangeError);
	});
});
