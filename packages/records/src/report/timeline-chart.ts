// What each site did when: training and evaluation tasks on the run's clock.
import { scaleLinear } from "d3-scale";
import { formatDuration } from "../format.ts";
import type { RunSummary } from "../run-directory/run-summary.ts";
import { element, label, picture, rule, tooltip } from "./svg.ts";
import { seriesColour } from "./theme.ts";

const WIDTH = 420;
const MIN_HEIGHT = 220;
const MARGIN = { top: 26, right: 14, bottom: 38, left: 110 };
const MAX_ROWS = 40;

/** The chart as an `<svg>`; null when no task was finished. */
export function renderTimelineChart(run: RunSummary): string | null {
	const { timeline } = run;
	if (timeline.length === 0) return null;
	const rows = run.sites.slice(0, MAX_ROWS);
	const rowHeight = Math.max(14, (MIN_HEIGHT - MARGIN.top - MARGIN.bottom) / rows.length);
	const height = MARGIN.top + rowHeight * rows.length + MARGIN.bottom;
	const end = Math.max(run.seconds ?? 0, ...timeline.map(({ endSeconds }) => endSeconds));
	const x = scaleLinear([0, end], [MARGIN.left, WIDTH - MARGIN.right]);
	const bottom = height - MARGIN.bottom;
	return picture(
		{ width: WIDTH, height, title: "Tasks of each site over time" },
		...x
			.ticks(4)
			.flatMap((tick) => [
				rule(x(tick), MARGIN.top, x(tick), bottom, { class: "grid" }),
				label(x(tick), bottom + 16, formatDuration(tick * 1000), { "text-anchor": "middle" }),
			]),
		label(MARGIN.left, 12, "▮ training"),
		label(MARGIN.left + 82, 12, "▮ measuring", { opacity: 0.5 }),
		...rows.map((site, index) => {
			const name = site.length > 14 ? `${site.slice(0, 13)}…` : site;
			const at = MARGIN.top + (index + 0.5) * rowHeight + 4;
			return label(MARGIN.left - 10, at, name, { "text-anchor": "end", class: "name" });
		}),
		...timeline.flatMap(({ site, round, phase, startSeconds, endSeconds }) => {
			const index = rows.indexOf(site);
			if (index < 0) return [];
			const seconds = (endSeconds - startSeconds).toFixed(1);
			return [
				element(
					"rect",
					{
						x: x(startSeconds),
						y: MARGIN.top + index * rowHeight + rowHeight * 0.2,
						width: Math.max(1, x(endSeconds) - x(startSeconds)),
						height: rowHeight * 0.6,
						rx: 2,
						fill: seriesColour(index),
						opacity: phase === "train" ? undefined : 0.4,
					},
					tooltip(`${site}, round ${round}, ${phase === "train" ? "training" : "measuring"}: ${seconds} s`),
				),
			];
		}),
		label((MARGIN.left + WIDTH - MARGIN.right) / 2, height - 6, "time of work, min:s", {
			"text-anchor": "middle",
		}),
	);
}
