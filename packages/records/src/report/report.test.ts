import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatChange, formatLoss } from "../format.ts";
import { summarizeRun } from "../run-directory/run-summary.ts";
import { sampleEvents } from "../testing/sample-events.ts";
import { renderReport } from "./html-report.ts";
import { meanInterval } from "./interval.ts";
import { jointRows } from "./joint-errors.ts";
import { spreadLabels } from "./labels.ts";
import { renderLossChart, renderLossSvg } from "./loss-chart.ts";
import { type Preview, pngBase64, previewSchema } from "./preview.ts";
import { renderSimilaritySection } from "./similarity-section.ts";
import { privacyOf, siteTrust } from "./site-trust.ts";
import { element, escapeMarkup } from "./svg.ts";
import { renderTimelineChart } from "./timeline-chart.ts";
import { renderTrafficChart } from "./traffic-chart.ts";

const events = sampleEvents({ sites: ["kitchen", "lab <1>"], numRounds: 3 });
const run = summarizeRun(events);
const nothing = summarizeRun([]);
const preview: Preview = {
	site: "kitchen",
	episode: 3,
	frame: 7,
	task: 'Push the "red" cube & stop',
	images: [
		{ camera: "observation.images.top", png: pngBase64({ height: 2, width: 2, rgb: new Uint8Array(12) }) },
	],
	joints: [{ name: "shoulder_pan.pos", recorded: [0, 1, 2], predicted: [0, 2, 4] }],
};

/** Tags must nest; enough of a parser to find a missing or a crossed one. */
function expectBalanced(markup: string): void {
	const open: string[] = [];
	const crossed: string[] = [];
	for (const [, closing, name = "", selfClosing] of markup.matchAll(/<(\/?)([a-z0-9]+)[^>]*?(\/?)>/gi)) {
		if (selfClosing === "/" || name === "meta" || name === "img") continue;
		if (closing === "/" && open.pop() !== name) crossed.push(name);
		if (closing !== "/") open.push(name);
	}
	expect({ open, crossed }).toEqual({ open: [], crossed: [] });
}

describe("markup", () => {
	test("text cannot leave its element", () => {
		expect(element("p", { title: '"<' }, escapeMarkup("a < b & c"))).toBe(
			'<p title="&quot;&lt;">a &lt; b &amp; c</p>',
		);
	});
});

describe("spreadLabels", () => {
	test("keeps the order and the distance, whatever the wishes", () => {
		fc.assert(
			fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 12 }), (wishes) => {
				const labels = wishes.map((y) => ({ text: String(y), y, colour: "red", strong: false }));
				const placed = spreadLabels(labels, { top: 10, bottom: 290, spacing: 16 });
				expect(placed.map(({ text }) => Number(text))).toEqual([...wishes].sort((a, b) => a - b));
				const gaps = placed.slice(1).map(({ y }, index) => y - (placed[index]?.y ?? 0));
				expect(Math.min(16, ...gaps)).toBe(16);
				expect(Math.min(10, ...placed.map(({ y }) => y))).toBe(10);
			}),
		);
	});

	test("a label with room stays where it wants to be", () => {
		const labels = [{ text: "a", y: 100, colour: "red", strong: false }];
		expect(spreadLabels(labels, { top: 0, bottom: 200, spacing: 16 })[0]?.y).toBe(100);
	});
});

describe("charts", () => {
	test("the loss chart has a line per site, the mean and the round-0 level", () => {
		const chart = renderLossChart(run) ?? "";
		expectBalanced(chart);
		expect(chart.match(/class="site"/g)).toHaveLength(2);
		expect(chart.match(/class="global"/g)).toHaveLength(1);
		expect(chart).toContain('class="reference"');
		expect(chart).toContain("round 0: ");
		expect(chart).toContain("lab &lt;1&gt;");
		expect(chart).not.toContain("NaN");
	});

	test("a round that was not measured is a gap, not a zero", () => {
		const events = sampleEvents({ sites: ["a"], numRounds: 3 }).map((event) =>
			event.kind === "site.evaluated" && event.round === 2 ? { ...event, loss: null } : event,
		);
		const chart = renderLossChart(summarizeRun(events)) ?? "";
		const path = /class="site" d="([^"]*)"/.exec(chart)?.[1] ?? "";
		expect(path.match(/M/g)).toHaveLength(2);
	});

	test("loss.svg brings its own colours", () => {
		const file = renderLossSvg(run) ?? "";
		expect(file).toMatch(/^<svg width="860"/);
		expect(file).toContain("prefers-color-scheme:dark");
		expectBalanced(file);
	});

	test("joints are compared between the first and the last measured round", () => {
		const rows = jointRows(run);
		expect(rows.map(({ joint }) => joint)).toContain("shoulder_pan.pos");
		expect(rows[0]?.holdPose).toBe(5);
		expect(rows[0]?.sites.map(({ site }) => site)).toEqual(["kitchen", "lab <1>"]);
	});

	test("what was not measured has no chart", () => {
		for (const render of [renderLossChart, renderLossSvg, renderTrafficChart, renderTimelineChart]) {
			expect(render(nothing)).toBeNull();
		}
		expect(jointRows(nothing)).toEqual([]);
	});
});

describe("renderReport", () => {
	const input = {
		run,
		previews: [preview],
		settings: [["rounds", "3"]],
		modelSha256: "ab".repeat(32),
		trust: siteTrust(events),
		privacy: privacyOf(events),
		environment: [["zk0", "0.1.0"]],
		checks: [{ subject: "log", state: "holds", detail: "9 events" }],
	} as const;
	const page = renderReport(input);

	test("shared against own weights stand in the table of sites, where they were measured", () => {
		const measured = summarizeRun(sampleEvents({ sites: ["kitchen", "lab"], numRounds: 3, evalLocal: true }));
		const { heldOutLoss: joint = null, localLoss: local = null } = measured.rounds.at(-1)?.sites["lab"] ?? {};
		expect(local).toBeGreaterThan(joint ?? Number.NaN);
		const report = renderReport({ ...input, run: measured });
		expectBalanced(report.replace("<!doctype html>", ""));
		expect(report).toContain("<th>shared against own</th>");
		expect(report).toContain(
			`<td>${formatLoss(local)}</td><td class="good">${formatChange(local, joint)}</td>`,
		);
		expect(report).toContain("At 2 of 2 sites the shared weights do better");
		expect(page).not.toContain("own weights");
	});

	test("is one balanced page without script, without network, with everything in it", () => {
		expectBalanced(page.replace("<!doctype html>", ""));
		expect(page).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)|NaN|undefined/);
		for (const text of [
			"Held-out loss",
			"Bytes moved",
			"Timings",
			"Held-out frames",
			"95 % interval",
			"not signed",
			"Privacy: none",
			"9 events",
			"How the updates lie to each other",
			"In no round did a site pull away",
			"ab".repeat(32),
			"lab &lt;1&gt;",
		]) {
			expect(page).toContain(text);
		}
		expect(page).toContain("Push the &quot;red&quot; cube &amp; stop");
	});

	test("an empty run says that nothing is known", () => {
		const empty = renderReport({
			run: nothing,
			previews: [],
			settings: [],
			modelSha256: null,
			trust: [],
			privacy: privacyOf([]),
			environment: [],
			checks: null,
		});
		expectBalanced(empty.replace("<!doctype html>", ""));
		expect(empty).toContain("–");
		expect(empty).toContain("No loss was measured yet.");
	});
});

test("a site that pulls away from the others is named with its round", () => {
	const away = events.map((event) =>
		event.kind === "updates.compared" && event.round === 2
			? { ...event, sites: event.sites.map((one) => ({ ...one, alignment: -0.5 })), cosines: [[], [-0.5]] }
			: event,
	);
	const section = renderSimilaritySection(summarizeRun(away.filter((event) => !isOfRound(event, 3))));
	expectBalanced(section);
	expect(section).toContain(
		"Pulled away from the others: kitchen in round 2 (−0.50), lab &lt;1&gt; in round 2",
	);
	expect(section.match(/class="bad"/g)).toHaveLength(4);
	expect(renderSimilaritySection(nothing)).toBe("");
});

const isOfRound = (event: object, round: number): boolean => "round" in event && event.round === round;

describe("meanInterval", () => {
	test("is Student's t on the textbook's numbers, and nothing for one value", () => {
		const { mean, low, high } = meanInterval([1, 2, 3, 4, 5]) ?? { mean: 0, low: 0, high: 0 };
		expect([mean, low, high].map((value) => value.toFixed(3))).toEqual(["3.000", "1.037", "4.963"]);
		expect(meanInterval([7])).toBeNull();
	});
});

describe("preview", () => {
	test("reads back as JSON", () => {
		expect(previewSchema.parse(JSON.parse(JSON.stringify(preview)))).toEqual(preview);
	});
});
