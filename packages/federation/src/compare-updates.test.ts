// Cosines and norms of updates against what is computed by hand, with a base and without, on all elements and on a part.
import { join } from "node:path";
import { float32Array, rng } from "@zk0/arrays";
import { writeSafetensorsFile } from "@zk0/arrays/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compareUpdates, MAX_PAIRED_SITES } from "./compare-updates.ts";
import { temporaryDir } from "./testing/toy-app.ts";

let dir: Awaited<ReturnType<typeof temporaryDir>>;
beforeAll(async () => {
	dir = await temporaryDir();
});
afterAll(async () => {
	await dir[Symbol.asyncDispose]();
});

/** An update whose values lie in two tensors. */
async function file(site: string, values: readonly number[]) {
	const path = join(dir.path, `${site}.safetensors`);
	const [first = 0, ...rest] = values;
	await writeSafetensorsFile(
		path,
		new Map([
			["a", float32Array([1], [first])],
			["b", float32Array([rest.length], rest)],
		]),
	);
	return { site, path };
}

test("the cosine of each two changes, and of each with the mean of the others", async () => {
	const base = await file("base", [1, 1, 1]);
	const updates = [await file("x", [2, 1, 1]), await file("y", [1, 3, 1]), await file("z", [0, 1, 1])];
	// Changes x = (1,0,0), y = (0,2,0), z = (-1,0,0): the others of x add up to (-1,2,0), of y to nothing.
	expect(await compareUpdates({ updates, base: base.path })).toEqual({
		numElements: 3,
		numTotal: 3,
		sites: [
			{ site: "x", norm: 1, alignment: -0.4472136 },
			{ site: "y", norm: 2, alignment: null },
			{ site: "z", norm: 1, alignment: -0.4472136 },
		],
		cosines: [[], [0], [-1, 0]],
	});
});

test("differences need no base; one that did not move, or is alone, has no direction", async () => {
	const updates = [await file("p", [1, 2, 3]), await file("q", [2, 4, 6]), await file("still", [0, 0, 0])];
	const { sites, cosines } = await compareUpdates({ updates, base: null });
	expect(cosines).toEqual([[], [1], [null, null]]);
	expect(sites.map(({ alignment }) => alignment)).toEqual([1, 1, null]);
	const alone = await compareUpdates({ updates: updates.slice(0, 1), base: null });
	expect(alone).toMatchObject({ sites: [{ site: "p", norm: 3.741657, alignment: null }], cosines: [[]] });
});

test("a part of the elements, spread over every tensor, says the same about large updates", async () => {
	const size = 50_000;
	const noise = (site: string) => {
		const random = rng("compare", site);
		return Array.from({ length: size }, () => random.normal());
	};
	const common = noise("common");
	const mixed = (site: string) => noise(site).map((value, at) => value + (common[at] ?? 0));
	const updates = [await file("m", mixed("m")), await file("n", mixed("n")), await file("o", noise("o"))];
	const exact = await compareUpdates({ updates, base: null });
	const part = await compareUpdates({ updates, base: null, maxElements: 10_000 });
	expect([exact.numElements, part.numElements]).toEqual([size, 10_003]);
	expect(part.sites[0]?.norm).toBeCloseTo(exact.sites[0]?.norm ?? 0, -1);
	for (const [row, values] of (exact.cosines ?? []).entries())
		for (const [column, value] of values.entries())
			expect(Math.abs((value ?? 9) - (part.cosines?.[row]?.[column] ?? 0))).toBeLessThan(0.04);
	expect(exact.cosines?.[1]?.[0]).toBeCloseTo(0.5, 1);
	expect(await compareUpdates({ updates, base: null, maxElements: 10_000 })).toEqual(part);
});

test("with many sites the pairs are left out", async () => {
	const one = await file("one", [1, 2, 3]);
	const updates = Array.from({ length: MAX_PAIRED_SITES + 1 }, (_, index) => ({ ...one, site: `s${index}` }));
	const { cosines, sites } = await compareUpdates({ updates, base: null });
	expect(cosines).toBeNull();
	expect(sites.every(({ alignment }) => alignment === 1)).toBe(true);
});

test("a file that is gone is a fault of the storage, and a signal ends the look", async () => {
	const updates = [await file("here", [1, 2]), { site: "gone", path: join(dir.path, "gone") }];
	await expect(compareUpdates({ updates, base: null })).rejects.toMatchObject({ code: "storage" });
	const signal = AbortSignal.abort();
	const cancelled = compareUpdates({ updates: updates.slice(0, 1), base: null, signal });
	await expect(cancelled).rejects.toMatchObject({ code: "cancelled" });
});
