// Per-joint held-out errors: from the evaluation's measurements to a chart of round 0 against the last round.
import { scaleLinear } from "d3-scale";
import type { RoundSummary, RunSummary } from "../run-directory/run-summary.ts";
import { element, label, picture, rule, tooltip } from "./svg.ts";
import { seriesColour } from "./theme.ts";

const WIDTH = 860;
const ROW_HEIGHT = 34;
const MARGIN = { top: 30, right: 120, bottom: 34, left: 150 };
const METRIC = /^jointError\.(.+)$/;

/** Mean absolute error of a joint at every site, in degrees (grippers: percent of their opening). */
export interface JointRow {
	readonly joint: string;
	/** By site: first and last measured error. */
	readonly sites: readonly { readonly site: string; readonly first: number; readonly last: number }[];
	readonly first: number;
	readonly last: number;
	/** Error of not moving at all, over the same frames; null where it means nothing. */
	readonly holdPose: number | null;
}

/** Names of the joints that any site measured in a round. */
function jointsOf(round: RoundSummary): string[] {
	const names = Object.values(round.sites).flatMap(({ heldOut }) =>
		Object.keys(heldOut).flatMap((key) => METRIC.exec(key)?.[1] ?? []),
	);
	return [...new Set(names)];
}

/** One row per joint, for the sites that measured it both in the first and in the last round. */
export function jointRows(run: RunSummary): JointRow[] {
	const measured = run.rounds.filter((round) => jointsOf(round).length > 0);
	const [first] = measured;
	const last = measured.at(-1);
	if (first === undefined || last === undefined) return [];
	const mean = (values: readonly number[]): number =>
		values.reduce((sum, value) => sum + value, 0) / values.length;
	return jointsOf(first).flatMap((joint) => {
		const read = (round: RoundSummary, site: string, kind = "jointError"): number | null =>
			round.sites[site]?.heldOut[`${kind}.${joint}`] ?? null;
		const sites = run.sites.flatMap((site) => {
			const from = read(first, site);
			const to = read(last, site);
			return from === null || to === null ? [] : [{ site, first: from, last: to }];
		});
		if (sites.length === 0) return [];
		const holds = sites.flatMap(({ site }) => read(last, site, "holdPoseError") ?? []);
		const row = {
			joint,
			sites,
			first: mean(sites.map((one) => one.first)),
			last: mean(sites.map((one) => one.last)),
			holdPose: holds.length === sites.length ? mean(holds) : null,
		};
		return [row];
	});
}

/** The chart as an `<svg>`: hollow is round 0, filled is now, small dots are sites; null without measurements. */
export function renderJointChart(run: RunSummary): string | null {
	const rows = jointRows(run);
	if (rows.length === 0) return null;
	const height = MARGIN.top + rows.length * ROW_HEIGHT + MARGIN.bottom;
	const high = Math.max(
		...rows.flatMap(({ first, last, holdPose, sites }) => [
			first,
			last,
			holdPose ?? 0,
			...sites.map((one) => one.last),
		]),
	);
	const x = scaleLinear([0, high * 1.02], [MARGIN.left, WIDTH - MARGIN.right]).nice(6);
	const bottom = height - MARGIN.bottom;
	return picture(
		{ width: WIDTH, height, title: "Held-out error per joint, first and last round" },
		...x
			.ticks(6)
			.flatMap((tick) => [
				rule(x(tick), MARGIN.top - 8, x(tick), bottom, { class: "grid" }),
				label(x(tick), bottom + 18, `${tick}°`, { "text-anchor": "middle" }),
			]),
		label(MARGIN.left, 12, "○ round 0   ● last round   · single sites   ❘ holding the pose"),
		...rows.map((row, index) => renderRow(row, MARGIN.top + (index + 0.5) * ROW_HEIGHT, x, run.sites)),
	);
}

function renderRow(row: JointRow, y: number, x: (value: number) => number, sites: readonly string[]): string {
	const improved = row.last <= row.first;
	const unit = /gripper/i.test(row.joint) ? " %" : "°";
	const colour = improved ? "var(--good)" : "var(--bad)";
	const dots = row.sites.map(({ site, last }) =>
		element(
			"circle",
			{ cx: x(last), cy: y + 9, r: 2.4, fill: seriesColour(sites.indexOf(site)) },
			tooltip(`${site}: ${last.toFixed(1)}${unit}`),
		),
	);
	const hold = row.holdPose;
	const baseline =
		hold === null ? "" : rule(x(hold), y - 9, x(hold), y + 9, { stroke: "var(--muted)", "stroke-width": 2 });
	return [
		baseline,
		label(MARGIN.left - 12, y + 4, row.joint.replace(/\.pos$/, "").replaceAll("_", " "), {
			"text-anchor": "end",
			class: "name",
		}),
		rule(x(row.first), y, x(row.last), y, { stroke: colour, "stroke-width": 2.5 }),
		element("circle", { class: "hollow", cx: x(row.first), cy: y, r: 5, stroke: colour }),
		element("circle", { cx: x(row.last), cy: y, r: 5.5, fill: colour }),
		...dots,
		label(WIDTH - MARGIN.right + 16, y + 4, `${row.first.toFixed(1)} → ${row.last.toFixed(1)}${unit}`),
	].join("");
}
