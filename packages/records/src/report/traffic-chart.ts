// Bytes moved per round, up (sites to server) and down.
import { scaleBand, scaleLinear } from "d3-scale";
import { formatBytes } from "../format.ts";
import type { RunSummary } from "../run-directory/run-summary.ts";
import { element, label, picture, rule, tooltip } from "./svg.ts";

const WIDTH = 420;
const HEIGHT = 220;
const MARGIN = { top: 26, right: 12, bottom: 38, left: 62 };

/** The chart as an `<svg>`; null when no traffic was counted. */
export function renderTrafficChart(run: RunSummary): string | null {
	const bytes = run.rounds.flatMap(({ bytesUp, bytesDown }) => [bytesUp ?? [], bytesDown ?? []].flat());
	if (bytes.length === 0) return null;
	const x = scaleBand<number>()
		.domain(run.rounds.map(({ round }) => round))
		.range([MARGIN.left, WIDTH - MARGIN.right])
		.paddingInner(0.35)
		.paddingOuter(0.2);
	const bottom = HEIGHT - MARGIN.bottom;
	const y = scaleLinear([0, Math.max(...bytes, 1)], [bottom, MARGIN.top]).nice(4);
	const every = Math.ceil(run.rounds.length / 12);
	const half = x.bandwidth() / 2;
	const bar = (left: number, value: number | null, direction: "up" | "down", round: number): string =>
		value === null
			? ""
			: element(
					"rect",
					{
						x: left,
						y: y(value),
						width: Math.max(1, half - 1),
						height: bottom - y(value),
						fill: direction === "up" ? "var(--series-1)" : "var(--series-0)",
						rx: 1,
					},
					tooltip(`round ${round} ${direction}: ${formatBytes(value)}`),
				);
	return picture(
		{ width: WIDTH, height: HEIGHT, title: "Bytes moved per round" },
		...y
			.ticks(4)
			.flatMap((tick) => [
				rule(MARGIN.left, y(tick), WIDTH - MARGIN.right, y(tick), { class: "grid" }),
				label(MARGIN.left - 8, y(tick) + 4, formatBytes(tick), { "text-anchor": "end" }),
			]),
		label(MARGIN.left, 12, "▮ down", { style: "fill:var(--series-0)" }),
		label(MARGIN.left + 58, 12, "▮ up", { style: "fill:var(--series-1)" }),
		...run.rounds.map(({ round, bytesUp, bytesDown }, index) => {
			const left = x(round) ?? 0;
			const tick =
				index % every === 0
					? label(left + half, bottom + 16, String(round), { "text-anchor": "middle" })
					: "";
			return bar(left, bytesDown, "down", round) + bar(left + half, bytesUp, "up", round) + tick;
		}),
		label((MARGIN.left + WIDTH - MARGIN.right) / 2, HEIGHT - 6, "round", { "text-anchor": "middle" }),
	);
}
