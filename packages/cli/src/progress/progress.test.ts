import {
	formatBytes,
	formatChange,
	formatDegrees,
	formatDuration,
	formatLoss,
	formatRate,
} from "@zk0/records/format";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { renderFrame } from "./frame.ts";
import { createLiveRegion, renderLive } from "./live.ts";
import { createPaint, cutVisible, padVisible, visibleWidth, wantsColour } from "./paint.ts";
import { type RunProgress, runEtaMs, siteEtaMs, startProgress, updateSite } from "./run-progress.ts";

const plain = createPaint(false);
const colour = createPaint(true);

describe("format", () => {
	test("a missing value is a dash and never a zero", () => {
		const formats = [formatLoss, formatDuration, formatBytes, formatRate, formatDegrees];
		for (const format of formats) expect(format(null)).toBe("–");
		expect(formatChange(null, 1)).toBe("–");
		expect(formatChange(1, null)).toBe("–");
	});

	test.each([
		[formatLoss(0.84218), "0.8422"],
		[formatLoss(0.00123), "0.001230"],
		[formatLoss(12.345), "12.35"],
		[formatLoss(1e-7), "1.00e-7"],
		[formatLoss(Number.NaN), "NaN"],
		[formatDuration(7_400), "0:07"],
		[formatDuration(3_723_000), "1:02:03"],
		[formatBytes(640), "640 B"],
		[formatBytes(4_240_000), "4.2 MB"],
		[formatRate(38.24), "38.2"],
		[formatRate(3824), "3824"],
		[formatChange(1, 0.73), "−27 %"],
		[formatChange(1, 1.5), "+50 %"],
		[formatDegrees(3.14), "3.1°"],
	])("%s is %s", (shown, expected) => {
		expect(shown).toBe(expected);
	});
});

describe("paint", () => {
	test("colours do not change the width", () => {
		expect(visibleWidth(colour.bold(colour.bad("loss")))).toBe(4);
		expect(padVisible(colour.good("ok"), 5, "right")).toMatch(/^ {3}/);
	});

	test("cutting never exceeds the width, whatever the text", () => {
		fc.assert(
			fc.property(fc.string(), fc.integer({ min: 1, max: 20 }), fc.boolean(), (text, width, painted) => {
				const shown = cutVisible(painted ? colour.accent(text) : text, width);
				expect(visibleWidth(shown)).toBeLessThanOrEqual(width);
			}),
		);
	});

	test("NO_COLOR and dumb terminals get none, FORCE_COLOR does", () => {
		expect(wantsColour(true, {})).toBe(true);
		expect(wantsColour(false, {})).toBe(false);
		expect(wantsColour(true, { NO_COLOR: "1" })).toBe(false);
		expect(wantsColour(true, { TERM: "dumb" })).toBe(false);
		expect(wantsColour(false, { FORCE_COLOR: "1" })).toBe(true);
	});
});

describe("live lines", () => {
	const start = startProgress(["kitchen", "workshop"], { rounds: 4, nowMs: 1000 });

	test("one line per site with step, loss, rate and estimate", () => {
		let progress: RunProgress = { ...start, round: 2, losses: [1, 0.8], roundsStartedMs: 2000 };
		progress = updateSite(progress, "kitchen", { phase: "training", nowMs: 4000 });
		const running = updateSite(progress, "kitchen", {
			done: 5,
			total: 20,
			loss: 0.5,
			samplesPerSecond: 40,
			nowMs: 5000,
		});
		const failed = updateSite(running, "workshop", { phase: "failed", reason: "disk full", nowMs: 5000 });
		expect(renderLive(failed, { nowMs: 6000, paint: plain, rows: 24 })).toEqual([
			"Round 2 of 4  ━━━━━━──────────────────  about 0:12 left",
			"  kitchen   training       5/20  loss 0.5000   40.0 samples/s    eta 0:06",
			"  workshop  failed  disk full",
			"  held-out loss  1.0000 → 0.8000  −20 %",
			"  0:05 elapsed",
		]);
	});

	test("before the first round it says what it does", () => {
		expect(renderLive(start, { nowMs: 1000, paint: plain, rows: 24 })[0]).toBe("Preparing");
		expect(renderLive({ ...start, round: 0 }, { nowMs: 1000, paint: plain, rows: 24 })[0]).toBe(
			"Measuring the initial model",
		);
	});

	test("no more lines than the terminal has", () => {
		const many = startProgress(
			Array.from({ length: 50 }, (_, index) => `site-${index}`),
			{ rounds: 4, nowMs: 0 },
		);
		const lines = renderLive(many, { nowMs: 1000, paint: plain, rows: 12 });
		expect(lines.length).toBeLessThan(12);
		expect(lines).toContain("  and 44 more sites");
	});

	test("estimates are unknown until something was done", () => {
		const site = start.sites.get("kitchen");
		expect(site === undefined ? 0 : siteEtaMs(site, 5000)).toBeNull();
		expect(runEtaMs(start, 5000)).toBeNull();
		expect(updateSite(start, "nobody", { phase: "done", nowMs: 1 })).toBe(start);
	});

	test("the region redraws in place and gives the cursor back", () => {
		const written: string[] = [];
		const stream = { isTTY: true, columns: 10, rows: 24, write: (text: string) => void written.push(text) };
		{
			using region = createLiveRegion(stream);
			region.draw(["one", "a line that is too long"]);
			region.print("kept");
			region.draw(["two"]);
		}
		expect(written).toEqual([
			"\u001B[?25lone\na line th…\n",
			"\u001B[2A\r\u001B[J\u001B[?25h",
			"kept\n",
			"\u001B[?25lone\na line th…\n",
			"\u001B[2A\r\u001B[Jtwo\n",
			"\u001B[1A\r\u001B[J\u001B[?25h",
		]);
	});
});

describe("renderFrame", () => {
	test("aligns columns and closes the box", () => {
		const text = renderFrame(
			"done",
			[
				{ header: ["site", "loss"], rows: [["kitchen", "0.5"]], align: ["left", "right"] },
				{ header: null, rows: [["model", colour.bold("runs/x")]] },
			],
			plain,
		);
		const lines = text.split("\n");
		expect(new Set(lines.map(visibleWidth)).size).toBe(1);
		expect(lines[1]).toBe("│ site      loss │");
		expect(lines[2]).toBe("│ kitchen    0.5 │");
		expect(lines).toHaveLength(6);
	});
});
