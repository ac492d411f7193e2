// The held-out loss over rounds: the mean, every site while there are few, the spread when there are many, and the level
// of the model that the run started from.
import type { RoundRow } from "@zk0/dashboard/views";
import { formatLoss } from "../format.ts";
import { Empty } from "../parts/card.tsx";
import { seriesName } from "../theme.ts";
import { type Curve, LineChart } from "./line-chart.tsx";

/** The chart. */
export function LossChart({
	rounds,
	sites,
	isSmooth,
	onPick,
}: {
	readonly rounds: readonly RoundRow[];
	readonly sites: readonly string[];
	/** Draws the mean of the last five rounds. */
	readonly isSmooth: boolean;
	readonly onPick?: (round: number) => void;
}) {
	const measured = rounds.filter(({ loss }) => loss !== null);
	const first = measured[0];
	if (first === undefined) return <Empty>No loss was measured yet</Empty>;
	const x = measured.map(({ round }) => round);
	const mean = measured.map(({ loss }) => loss);
	const hasSites = measured.some(({ perSite }) => perSite !== null) && sites.length > 1;
	const curves: Curve[] = [
		{ name: "mean", values: isSmooth ? smooth(mean) : mean, colour: "ink", width: 3 },
		{ name: "base model", values: x.map(() => first.loss), colour: "muted", width: 1.5, isDashed: true },
	];
	const bands: (readonly [number, number])[] = [];
	if (hasSites) {
		for (const [index, site] of sites.entries()) {
			const values = measured.map(({ perSite }) => perSite?.[site] ?? null);
			const curve = { name: site, colour: seriesName(index), width: 1.5 };
			curves.push({ ...curve, values: isSmooth ? smooth(values) : values });
		}
	} else if (measured.some(({ spread }) => spread !== null)) {
		const edge = (name: "min" | "q1" | "q3" | "max", words: string): Curve => {
			const values = measured.map(({ spread }) => spread?.[name] ?? null);
			return { name: words, values, colour: "muted", isEdge: true };
		};
		curves.push(
			edge("max", "worst site"),
			edge("min", "best site"),
			edge("q3", "3rd quartile"),
			edge("q1", "1st quartile"),
		);
		bands.push([2, 3], [4, 5]);
	}
	const last = measured.at(-1);
	return (
		<LineChart
			label={`Held-out loss over rounds, from ${formatLoss(first.loss)} to ${formatLoss(last?.loss)}`}
			x={x}
			xName="round"
			curves={curves}
			bands={bands}
			format={(value) => value.toPrecision(3)}
			syncKey="rounds"
			height={300}
			onPick={(index) => {
				const round = x[index];
				if (round !== undefined) onPick?.(round);
			}}
		/>
	);
}

const WINDOW = 5;

/** The mean of each value with the four before it. */
export function smooth(values: readonly (number | null)[]): (number | null)[] {
	return values.map((value, index) => {
		if (value === null) return null;
		const known = values.slice(Math.max(0, index + 1 - WINDOW), index + 1).filter((one) => one !== null);
		return known.reduce((sum, one) => sum + one, 0) / known.length;
	});
}
