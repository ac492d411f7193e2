// One episode, recorded against predicted: a panel per joint over time, marks where the policy planned.
import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { REPORT_CSS } from "./report-css.ts";
import { element, escapeMarkup, label, picture, rule } from "./svg.ts";
import { CHART_CSS, themeCss } from "./theme.ts";

/** One number of the action over an episode. */
export interface JointPrediction {
	readonly name: string;
	/** Degrees; grippers in percent of their opening. */
	readonly unit: "deg" | "percent";
	/** Mean absolute error, in the unit, over all frames. */
	readonly error: number;
	/** The same of not moving: repeating the state that was seen when the policy planned; null without such a state. */
	readonly holdPose: number | null;
	/** One value per frame. */
	readonly recorded: readonly number[];
	readonly predicted: readonly number[];
}

/** What is drawn of a prediction. */
export interface PredictedEpisode {
	readonly checkpoint: string;
	readonly dataset: string;
	readonly episode: number;
	readonly task: string;
	readonly fps: number;
	readonly frames: number;
	/** Frames from one chunk to the next. */
	readonly every: number;
	/** Real-time chunking: actions sent while a chunk is computed; null when chunks did not guide one another. */
	readonly rtc: { readonly delay: number } | null;
	readonly seed: number;
	readonly joints: readonly JointPrediction[];
	/** Where the policy planned, and how long it took. */
	readonly chunks: readonly { readonly frame: number; readonly seconds: number }[];
	/** The first chunk, compiling included. */
	readonly firstChunkSeconds: number;
	/** Median of the others; null when there was one chunk only. */
	readonly chunkSeconds: number | null;
}

const WIDTH = 860;
const PANEL = 104;
const MARGIN = { top: 50, right: 20, bottom: 40, left: 64 };
/** Inside a panel: room for its title above the curves. */
const TITLE = 20;
/** Panels of joints at rest show at least this much, so that noise does not look like motion. */
const MIN_RANGE = 10;
/** More marks than this would hide the curves. */
const MAX_MARKS = 60;
const STYLE =
	".recorded,.predicted{fill:none;stroke-width:1.8;stroke-linejoin:round}" +
	".recorded{stroke:var(--muted);stroke-dasharray:4 3}.predicted{stroke:var(--accent)}" +
	".plan{stroke:var(--line);stroke-width:1;stroke-dasharray:2 3}";

/** A value with the joint's unit, to a tenth; a dash for one that there is not. */
export function formatJoint(value: number | null, unit: JointPrediction["unit"]): string {
	if (value === null) return "–";
	return `${value.toFixed(1)}${unit === "deg" ? "°" : " %"}`;
}

/** `shoulder pan` for `shoulder_pan.pos`. */
function titleOf(name: string): string {
	return name.replaceAll("_", " ").replace(/\.pos$/, "");
}

/** The chart as an `<svg>`. */
export function renderPredictionChart(prediction: PredictedEpisode): string {
	const { joints, frames, fps, chunks, episode } = prediction;
	const bottom = MARGIN.top + joints.length * PANEL;
	const height = bottom + MARGIN.bottom;
	const x = scaleLinear([0, Math.max(1, frames - 1) / fps], [MARGIN.left, WIDTH - MARGIN.right]);
	const marks = chunks.length > MAX_MARKS ? [] : chunks.slice(1);
	return picture(
		{ width: WIDTH, height, title: `Episode ${episode}: recorded and predicted actions` },
		...legend(prediction, marks.length > 0),
		...marks.map(({ frame }) => rule(x(frame / fps), MARGIN.top, x(frame / fps), bottom, { class: "plan" })),
		...joints.map((joint, index) => renderPanel(joint, MARGIN.top + index * PANEL, x, fps)),
		...x.ticks(10).map((tick) => label(x(tick), bottom + 18, `${tick}`, { "text-anchor": "middle" })),
		label((MARGIN.left + WIDTH - MARGIN.right) / 2, bottom + 34, "seconds", { "text-anchor": "middle" }),
	);
}

function legend({ task, episode, every, rtc }: PredictedEpisode, hasMarks: boolean): string[] {
	const short = task.length > 80 ? `${task.slice(0, 79)}…` : task;
	const guided = rtc === null ? "" : `, guided by the one before (delay ${rtc.delay})`;
	const y = 34;
	return [
		label(MARGIN.left, 16, `Episode ${episode}: ${short}`, { class: "strong" }),
		rule(MARGIN.left, y - 4, MARGIN.left + 24, y - 4, { class: "recorded" }),
		label(MARGIN.left + 30, y, "recorded"),
		rule(MARGIN.left + 100, y - 4, MARGIN.left + 124, y - 4, { class: "predicted" }),
		label(MARGIN.left + 130, y, "predicted"),
		label(WIDTH - MARGIN.right, y, `a chunk every ${every} frames${hasMarks ? " (dotted)" : ""}${guided}`, {
			"text-anchor": "end",
		}),
	];
}

function renderPanel(
	joint: JointPrediction,
	top: number,
	x: (seconds: number) => number,
	fps: number,
): string {
	const { name, unit, error, holdPose, recorded, predicted } = joint;
	const values = [...recorded, ...predicted];
	const [low, high] = [Math.min(...values), Math.max(...values)];
	const slack = Math.max((MIN_RANGE - (high - low)) / 2, (high - low) * 0.08);
	const y = scaleLinear([low - slack, high + slack], [top + PANEL - 8, top + TITLE]);
	const path = (points: readonly number[]): string =>
		line<number>()
			.x((_, frame) => Math.round(x(frame / fps) * 10) / 10)
			.y((value) => Math.round(y(value) * 10) / 10)([...points]) ?? "";
	const mark = unit === "deg" ? "°" : "%";
	const [left, right] = [MARGIN.left, WIDTH - MARGIN.right];
	return [
		...y
			.ticks(3)
			.flatMap((tick) => [
				rule(left, y(tick), right, y(tick), { class: "grid" }),
				label(left - 8, y(tick) + 4, `${tick}${mark}`, { "text-anchor": "end" }),
			]),
		label(left, top + 13, titleOf(name), { class: "name" }),
		label(
			right,
			top + 13,
			`mean error ${formatJoint(error, unit)}, holding the pose ${formatJoint(holdPose, unit)}`,
			{ "text-anchor": "end" },
		),
		element("path", { class: "recorded", d: path(recorded) }),
		element("path", { class: "predicted", d: path(predicted) }),
	].join("");
}

/** The chart as a file of its own, with its colours inside. */
export function renderPredictionSvg(prediction: PredictedEpisode): string {
	const chart = renderPredictionChart(prediction);
	const style = `<style>${themeCss("svg")}${CHART_CSS}${STYLE}svg{background:var(--paper)}</style>`;
	const end = chart.indexOf(">") + 1;
	const height = MARGIN.top + prediction.joints.length * PANEL + MARGIN.bottom;
	const sized = chart.slice(0, end).replace("<svg", `<svg width="${WIDTH}" height="${height}"`);
	return `${sized}${style}${chart.slice(end)}\n`;
}

/** The chart and the errors as a page that needs no network, no script and no other file. */
export function renderPredictionPage(prediction: PredictedEpisode): string {
	const { episode, checkpoint, dataset, task, joints, frames, fps, seed } = prediction;
	const title = `Episode ${episode}: ${task}`;
	const cells = (...texts: string[]): string =>
		element("tr", {}, ...texts.map((text) => element("td", {}, escapeMarkup(text))));
	const rows = joints.map(({ name, unit, error, holdPose }) =>
		cells(titleOf(name), formatJoint(error, unit), formatJoint(holdPose, unit)),
	);
	const head = element(
		"tr",
		{},
		...["joint", "mean absolute error", "holding the pose"].map((text) => element("th", {}, text)),
	);
	const facts = `${frames} frames at ${fps} per second · seed ${seed} · ${chunkTime(prediction)}`;
	return [
		"<!doctype html>",
		'<html lang="en"><head><meta charset="utf-8">',
		'<meta name="viewport" content="width=device-width,initial-scale=1">',
		`<title>${escapeMarkup(title)}</title><style>${REPORT_CSS}${STYLE}</style></head>`,
		element(
			"body",
			{},
			element(
				"main",
				{},
				element("header", {}, element("h1", {}, escapeMarkup(title)), element("p", {}, escapeMarkup(facts))),
				element("section", {}, renderPredictionChart(prediction)),
				element("section", {}, element("div", { class: "scroll" }, element("table", {}, head, ...rows))),
				element(
					"footer",
					{},
					element("p", {}, element("code", {}, escapeMarkup(checkpoint))),
					element("p", {}, element("code", {}, escapeMarkup(dataset))),
				),
			),
		),
		"</html>",
		"",
	].join("\n");
}

/** `0.31 s per chunk (the first 1.20 s)`. */
export function chunkTime({ chunkSeconds, firstChunkSeconds }: PredictedEpisode): string {
	const first = firstChunkSeconds.toFixed(2);
	return chunkSeconds === null
		? `${first} s for the chunk`
		: `${chunkSeconds.toFixed(2)} s per chunk (the first ${first} s)`;
}
