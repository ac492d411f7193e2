// Losses of several runs as curves over one axis: rounds, or what the sites have sent for them.
import type { RunView } from "@zk0/dashboard/views";
import type { Curve } from "../../charts/line-chart.tsx";
import { seriesName } from "../../theme.ts";

/** A run that is compared. */
export interface Compared {
	readonly runId: string;
	readonly view: Pick<RunView, "rounds">;
}

/** The losses over rounds. */
export function overRounds(loaded: readonly Compared[]): { x: number[]; curves: Curve[] } {
	const rounds = Math.max(
		0,
		...loaded.map(({ view }) => view.rounds.findLastIndex(({ loss }) => loss !== null) + 1),
	);
	const x = Array.from({ length: rounds }, (_, round) => round);
	const curves = loaded.map(({ runId, view }, index) => ({
		name: runId,
		colour: seriesName(index),
		width: 2.5,
		values: x.map((round) => view.rounds[round]?.loss ?? null),
	}));
	return { x, curves };
}

/** … over the bytes that sites have sent up to each round; runs share one axis, so each has gaps where others have points. */
export function overBytes(loaded: readonly Compared[]): { x: number[]; curves: Curve[] } {
	const points = loaded.map(({ view }) => {
		let sum = 0;
		return new Map(
			view.rounds.flatMap(({ bytesUp, loss }) => {
				sum += bytesUp ?? 0;
				// A round under way has sent nothing yet that was counted: it stands where the one before it ended.
				return loss === null ? [] : [[sum, loss] as const];
			}),
		);
	});
	const x = [...new Set(points.flatMap((own) => [...own.keys()]))].sort((a, b) => a - b);
	const curves = loaded.map(({ runId }, index) => {
		const own = [...(points[index] ?? [])];
		return { name: runId, colour: seriesName(index), width: 2.5, values: filled(x, own) };
	});
	return { x, curves };
}

/** Straight lines between a run's own points, nothing before its first and after its last. */
function filled(
	x: readonly number[],
	known: readonly (readonly [at: number, value: number])[],
): (number | null)[] {
	return x.map((at) => {
		const after = known.findIndex(([place]) => place >= at);
		const right = known[after];
		const left = known[after - 1];
		if (right === undefined) return null;
		if (right[0] === at) return right[1];
		if (left === undefined) return null;
		return left[1] + ((right[1] - left[1]) * (at - left[0])) / (right[0] - left[0]);
	});
}
