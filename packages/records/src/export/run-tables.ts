// A run as tables: what CSV, Parquet and the trackers are made of. A value that was not measured is null.
import type { RunSummary } from "../run-directory/run-summary.ts";

/** Values of a column; all of one type, or null. */
export type Cell = string | number | null;

/** A table: columns in order, and rows with a value for each of them. */
export interface Table {
	readonly name: string;
	readonly columns: readonly { readonly name: string; readonly type: "text" | "number" }[];
	readonly rows: readonly (readonly Cell[])[];
}

/** A number that was measured once a round. */
export interface Scalar {
	/** `loss`, `site-a/held_out_loss`, `site-a/train/gradNorm`, … */
	readonly tag: string;
	readonly round: number;
	readonly value: number;
}

/** Names of the tables. */
export const TABLE_NAMES = ["rounds", "sites", "similarity", "metrics", "tasks", "incidents"] as const;

/** All tables of a run. */
export function runTables(run: RunSummary): Table[] {
	const text = (name: string) => ({ name, type: "text" as const });
	const number = (name: string) => ({ name, type: "number" as const });
	const perSite = run.rounds.flatMap((one) =>
		Object.entries(one.sites).map(([site, values]) => ({ round: one.round, site, ...values })),
	);
	return [
		{
			name: "rounds",
			columns: [
				number("round"),
				number("loss"),
				number("bytes_up"),
				number("bytes_down"),
				number("aggregate_seconds"),
				text("weights_sha256"),
			],
			rows: run.rounds.map(({ round, loss, bytesUp, bytesDown, aggregateSeconds, weightsSha256 }) => [
				round,
				loss,
				bytesUp,
				bytesDown,
				aggregateSeconds,
				weightsSha256,
			]),
		},
		{
			name: "sites",
			columns: [
				number("round"),
				text("site"),
				number("held_out_loss"),
				number("local_held_out_loss"),
				number("num_samples"),
				number("weight"),
				number("update_bytes"),
				number("update_norm"),
				number("update_alignment"),
				text("failure"),
			],
			rows: perSite.map((one) => [
				one.round,
				one.site,
				one.heldOutLoss,
				one.localLoss,
				one.numSamples,
				one.weight,
				one.updateBytes,
				one.updateNorm,
				one.updateAlignment,
				one.failure,
			]),
		},
		{
			name: "similarity",
			columns: [number("round"), text("site"), text("other_site"), number("cosine")],
			rows: run.rounds.flatMap(({ round, comparison }) =>
				(comparison?.cosines ?? []).flatMap((row, index) =>
					row.map((cosine, other): Cell[] => [
						round,
						comparison?.sites[index] ?? null,
						comparison?.sites[other] ?? null,
						cosine,
					]),
				),
			),
		},
		{
			name: "metrics",
			columns: [number("round"), text("site"), text("phase"), text("name"), number("value")],
			rows: perSite.flatMap(({ round, site, training, heldOut }) => [
				...Object.entries(training ?? {}).map(([name, value]): Cell[] => [round, site, "train", name, value]),
				...Object.entries(heldOut).map(([name, value]): Cell[] => [round, site, "evaluate", name, value]),
			]),
		},
		{
			name: "tasks",
			columns: [number("round"), text("site"), text("phase"), number("start_seconds"), number("end_seconds")],
			rows: run.timeline.map(({ round, site, phase, startSeconds, endSeconds }) => [
				round,
				site,
				phase,
				startSeconds,
				endSeconds,
			]),
		},
		{
			name: "incidents",
			columns: [text("at"), text("text")],
			rows: run.incidents.map(({ at, text: what }) => [at, what]),
		},
	];
}

/** Everything that is a number per round, for trackers. */
export function runScalars(run: RunSummary): Scalar[] {
	const scalars: Scalar[] = [];
	const add = (tag: string, round: number, value: number | null): void => {
		if (value !== null) scalars.push({ tag, round, value });
	};
	for (const { round, loss, bytesUp, bytesDown, aggregateSeconds, sites } of run.rounds) {
		add("loss", round, loss);
		add("bytes_up", round, bytesUp);
		add("bytes_down", round, bytesDown);
		add("aggregate_seconds", round, aggregateSeconds);
		for (const [site, { training, heldOut, ...one }] of Object.entries(sites)) {
			add(`${site}/held_out_loss`, round, one.heldOutLoss);
			add(`${site}/weight`, round, one.weight);
			add(`${site}/num_samples`, round, one.numSamples);
			add(`${site}/update_norm`, round, one.updateNorm);
			add(`${site}/update_alignment`, round, one.updateAlignment);
			for (const [name, value] of Object.entries(training ?? {})) add(`${site}/train/${name}`, round, value);
			for (const [name, value] of Object.entries(heldOut)) add(`${site}/evaluate/${name}`, round, value);
		}
	}
	return scalars;
}

/** When each round ended, in milliseconds since 1970: trackers want a time for every number. */
export function roundTimes(run: RunSummary): Map<number, number> {
	const startMs = run.startedAt === null ? 0 : Date.parse(run.startedAt);
	const times = new Map<number, number>();
	for (const { round, endSeconds } of run.timeline) {
		times.set(round, Math.max(times.get(round) ?? 0, Math.round(startMs + 1000 * endSeconds)));
	}
	for (const { round } of run.rounds) if (!times.has(round)) times.set(round, startMs);
	return times;
}
