// Held-out loss per round: the mean over sites, every site, and the level of the initial model.
import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { formatLoss } from "../format.ts";
import type { RunSummary } from "../run-directory/run-summary.ts";
import { type EndLabel, spreadLabels } from "./labels.ts";
import { element, label, picture, rule, tooltip } from "./svg.ts";
import { CHART_CSS, NUM_SERIES, seriesColour, themeCss } from "./theme.ts";

const WIDTH = 860;
const HEIGHT = 360;
const MARGIN = { top: 18, right: 150, bottom: 40, left: 58 };
const MIN_LABEL_SPACING = 16;

interface Series {
	readonly name: string;
	readonly colour: string;
	readonly isGlobal: boolean;
	readonly points: readonly { readonly round: number; readonly loss: number | null }[];
}

function allSeries(run: RunSummary): Series[] {
	const pick = (read: (round: RunSummary["rounds"][number]) => number | null): Series["points"] =>
		run.rounds.map((round) => ({ round: round.round, loss: read(round) }));
	return [
		...run.sites.map((site, index) => ({
			name: site,
			colour: seriesColour(index),
			isGlobal: false,
			points: pick((round) => round.sites[site]?.heldOutLoss ?? null),
		})),
		{ name: "all sites", colour: "var(--ink)", isGlobal: true, points: pick(({ loss }) => loss) },
	];
}

/** The chart as an `<svg>`; null when no loss was measured. */
export function renderLossChart(run: RunSummary): string | null {
	const series = allSeries(run);
	const losses = series.flatMap(({ points }) => points.flatMap(({ loss }) => loss ?? []));
	if (losses.length === 0) return null;
	const lastRound = Math.max(1, run.numRounds ?? 1, ...run.rounds.map(({ round }) => round));
	const x = scaleLinear([0, lastRound], [MARGIN.left, WIDTH - MARGIN.right]);
	const low = Math.min(...losses);
	const high = Math.max(...losses);
	const slack = (high - low || Math.abs(high) || 1) * 0.08;
	const y = scaleLinear([Math.max(0, low - slack), high + slack], [HEIGHT - MARGIN.bottom, MARGIN.top]).nice(
		5,
	);
	const labels = endLabels(series, run.initialLoss, y);
	return picture(
		{ width: WIDTH, height: HEIGHT, title: "Held-out loss per round" },
		...axes(x, y, lastRound),
		...referenceLine(run.initialLoss, y),
		...series.map((one) => renderSeries(one, x, y)),
		...labels.map(({ text, y: at, colour, strong }) =>
			label(WIDTH - MARGIN.right + 14, at + 4, text, {
				style: `fill:${colour}`,
				class: strong ? "strong" : "name",
			}),
		),
	);
}

type Scale = (value: number) => number;

function axes(x: Scale, y: ReturnType<typeof scaleLinear<number>>, lastRound: number): string[] {
	const step = Math.max(1, Math.ceil(lastRound / 12));
	const rounds = Array.from({ length: Math.floor(lastRound / step) + 1 }, (_, index) => index * step);
	const format = y.tickFormat(5);
	const bottom = HEIGHT - MARGIN.bottom;
	return [
		...y
			.ticks(5)
			.flatMap((tick) => [
				rule(MARGIN.left, y(tick), WIDTH - MARGIN.right, y(tick), { class: "grid" }),
				label(MARGIN.left - 10, y(tick) + 4, format(tick), { "text-anchor": "end" }),
			]),
		...rounds.map((round) => label(x(round), bottom + 18, String(round), { "text-anchor": "middle" })),
		label((MARGIN.left + WIDTH - MARGIN.right) / 2, bottom + 36, "round", { "text-anchor": "middle" }),
	];
}

function referenceLine(initialLoss: number | null, y: Scale): string[] {
	if (initialLoss === null) return [];
	const at = y(initialLoss);
	return [rule(MARGIN.left, at, WIDTH - MARGIN.right, at, { class: "reference" })];
}

function renderSeries(series: Series, x: Scale, y: Scale): string {
	const path = line<Series["points"][number]>()
		.defined(({ loss }) => loss !== null)
		.x(({ round }) => Math.round(x(round)))
		.y(({ loss }) => Math.round(y(loss ?? 0) * 10) / 10)(series.points);
	const stroke = series.isGlobal ? {} : { stroke: series.colour };
	const dots = series.points.flatMap(({ round, loss }) => {
		if (loss === null) return [];
		const hover = tooltip(`${series.name}, round ${round}: ${formatLoss(loss)}`);
		const radius = series.isGlobal ? 4 : 3;
		return [
			element("circle", { class: "dot", cx: x(round), cy: y(loss), r: radius, fill: series.colour }, hover),
		];
	});
	return (
		element("path", { class: series.isGlobal ? "global" : "site", d: path ?? "", ...stroke }) + dots.join("")
	);
}

/** Names at the ends of the lines, the start's among them: all keep clear of each other. */
function endLabels(series: readonly Series[], initialLoss: number | null, y: Scale): EndLabel[] {
	const named = series.length - 1 > NUM_SERIES ? series.filter(({ isGlobal }) => isGlobal) : series;
	const wishes = named.flatMap(({ name, colour, isGlobal, points }) => {
		const loss = points.findLast((point) => point.loss !== null)?.loss ?? null;
		const text = name.length > 18 ? `${name.slice(0, 17)}…` : name;
		return loss === null ? [] : [{ text, y: y(loss), colour, strong: isGlobal }];
	});
	if (initialLoss !== null) {
		const text = `round 0: ${formatLoss(initialLoss)}`;
		wishes.push({ text, y: y(initialLoss), colour: "var(--muted)", strong: false });
	}
	return spreadLabels(wishes, {
		top: MARGIN.top,
		bottom: HEIGHT - MARGIN.bottom,
		spacing: MIN_LABEL_SPACING,
	});
}

/** The chart as a file of its own, with its colours inside; null when no loss was measured. */
export function renderLossSvg(run: RunSummary): string | null {
	const chart = renderLossChart(run);
	if (chart === null) return null;
	const style = `<style>${themeCss("svg")}${CHART_CSS}svg{background:var(--paper);--card:var(--paper)}</style>`;
	const end = chart.indexOf(">") + 1;
	const sized = chart.slice(0, end).replace("<svg", `<svg width="${WIDTH}" height="${HEIGHT}"`);
	return `${sized}${style}${chart.slice(end)}\n`;
}
