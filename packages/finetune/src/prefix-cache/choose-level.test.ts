import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Site } from "../site.ts";
import { tinyEngine, tinyModel, tinySite } from "../testing/tiny-site.ts";
import { chooseLevel, type LevelRequest } from "./choose-level.ts";
import { inspectStore } from "./maintenance.ts";
import { openPrefixCache } from "./prefix-cache.ts";

const model = tinyModel();
let dir = "";
let site: Site;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-level-"));
	site = await tinySite(dir, model, { recording: { episodes: 4, length: 4 } });
});
afterAll(async () => {
	await site[Symbol.asyncDispose]();
	await rm(dir, { recursive: true });
});

const choose = (change: Partial<LevelRequest> = {}) =>
	chooseLevel({
		wanted: "auto",
		model,
		sites: [site],
		dtype: "float32",
		budgetBytes: 2 ** 24,
		freeBytes: 2 ** 30,
		usedBytes: 0,
		...change,
	});

describe("the level", () => {
	test("is the largest that fits the budget and the disk", () => {
		const { kv, connector } = {
			kv: choose({ wanted: "kv" }).neededBytes,
			connector: choose({ wanted: "connector" }).neededBytes,
		};
		expect(connector).toBeLessThan(kv);
		expect(choose()).toEqual({ level: "kv", neededBytes: kv, whyOff: null });
		expect(choose({ budgetBytes: kv - 1 }).level).toBe("connector");
		expect(choose({ freeBytes: kv }).level).toBe("connector");
		expect(choose({ freeBytes: kv, usedBytes: kv }).level).toBe("kv");
		expect(choose({ budgetBytes: connector - 1 })).toMatchObject({
			level: "off",
			whyOff: expect.stringContaining("budget"),
		});
		expect(choose({ freeBytes: 0 }).whyOff).toContain("disk");
		expect(choose({ sites: [site, site] }).neededBytes).toBe(2 * kv);
	});

	test("is off when it is switched off, and when it would not be exact", () => {
		expect(choose({ wanted: "off" })).toEqual({ level: "off", neededBytes: 0, whyOff: null });
		const open = tinyModel({ train_expert_only: false });
		expect(choose({ model: open, wanted: "kv" })).toMatchObject({
			level: "off",
			whyOff: expect.stringContaining("trains"),
		});
	});

	test.each(["kv", "connector"] as const)("needs what %s really takes", async (level) => {
		const { neededBytes } = choose({ wanted: level });
		const where = join(dir, level);
		{
			await using cache = await openPrefixCache({ model, level, dir: where, budgetBytes: 2 ** 24 });
			await using engine = await tinyEngine(model, 1, cache);
			const items = new Set([...site.data.trainItems, ...site.evalItems, ...site.sampledItems]);
			await site.observations.feedsFor([...items], engine);
		}
		const [report] = await inspectStore(where);
		expect(report?.sizeBytes).toBeLessThanOrEqual(neededBytes + 128);
		// Both cameras of the tiny recordings show the same picture, whose tokens are kept once.
		expect(report?.sizeBytes).toBeGreaterThan((level === "kv" ? 0.9 : 0.1) * neededBytes);
	});
});
