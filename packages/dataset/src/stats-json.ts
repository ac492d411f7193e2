// meta/stats.json: nested lists per feature and statistic; `count` is a list of one number.
import { z } from "zod";
import { causeText, DatasetError } from "./errors.ts";
import { type FeatureStats, type Stats, VALUE_KEYS } from "./stats.ts";

type Nested = number | readonly Nested[];

const nestedSchema: z.ZodType<Nested> = z.lazy(() => z.union([z.number(), z.array(nestedSchema)]));
const statsSchema = z.record(z.string(), z.record(z.string(), nestedSchema));

/** The value of one statistic as the file nests it: [D] or [3,1,1]. */
export function nestStat(values: readonly number[], shape: readonly number[]): unknown {
	if (shape.length === 3) return values.map((value) => [[value]]);
	return [...values];
}

/** stats.json's text, indented by four as LeRobot writes it. */
export function encodeStats(stats: Stats): string {
	const document = Object.fromEntries(
		Object.entries(stats).map(([feature, values]) => {
			const entries: [string, unknown][] = [];
			for (const key of VALUE_KEYS) {
				const value = values[key];
				if (value !== undefined) entries.push([key, nestStat(value, values.shape)]);
			}
			entries.splice(4, 0, ["count", [values.count]]);
			return [feature, Object.fromEntries(entries)];
		}),
	);
	return `${JSON.stringify(document, null, 4)}\n`;
}

/**
 * Parses stats.json's document. Features without mean, std, min, max or count are rejected.
 * @throws DatasetError "bad-stats" naming `file` and the feature.
 */
export function parseStats(document: unknown, file: string): Stats {
	const parsed = statsSchema.safeParse(document);
	if (!parsed.success) {
		throw new DatasetError("bad-stats", `${file} is not a table of statistics: ${causeText(parsed.error)}`, {
			file,
			cause: parsed.error,
		});
	}
	return Object.fromEntries(
		Object.entries(parsed.data).map(([feature, values]) => [feature, featureStats(feature, values, file)]),
	);
}

/**
 * Statistics of one episode from its `stats/<feature>/<statistic>` columns.
 * @throws DatasetError "bad-stats".
 */
export function episodeStats(
	columns: readonly string[],
	value: (column: string) => unknown,
	file: string,
): Stats {
	const document: Record<string, Record<string, unknown>> = {};
	for (const column of columns) {
		const separator = column.lastIndexOf("/");
		const feature = column.slice("stats/".length, separator);
		(document[feature] ??= {})[column.slice(separator + 1)] = withoutBigints(value(column));
	}
	return parseStats(document, file);
}

function withoutBigints(value: unknown): unknown {
	if (typeof value === "bigint") return Number(value);
	return Array.isArray(value) ? value.map(withoutBigints) : value;
}

/** One feature's statistics from nested values (stats.json, or the `stats/…` columns of an episode). */
function featureStats(feature: string, values: Readonly<Record<string, Nested>>, file: string): FeatureStats {
	const flat = (key: string): number[] => {
		const value = values[key];
		if (value === undefined) {
			throw new DatasetError("bad-stats", `${file}: statistics of ${feature} lack ${key}; recompute them`, {
				file,
			});
		}
		return flatten(value);
	};
	const mean = flat("mean");
	const core = { min: flat("min"), max: flat("max"), mean, std: flat("std") };
	for (const [key, list] of Object.entries(core)) {
		if (list.length !== mean.length) {
			throw new DatasetError(
				"bad-stats",
				`${file}: ${feature}.${key} has ${list.length} values but mean has ${mean.length}; recompute the statistics`,
				{ file },
			);
		}
	}
	const quantiles: Record<string, number[]> = {};
	for (const key of ["q01", "q10", "q50", "q90", "q99"]) {
		if (values[key] !== undefined) quantiles[key] = flat(key);
	}
	return { shape: shapeOf(values["mean"]), ...core, count: flat("count")[0] ?? 0, ...quantiles };
}

function flatten(value: Nested): number[] {
	return typeof value === "number" ? [value] : value.flatMap(flatten);
}

function shapeOf(value: Nested | undefined): number[] {
	return typeof value === "object" ? [value.length, ...(value.length > 0 ? innerShape(value[0]) : [])] : [1];
}

function innerShape(value: Nested | undefined): number[] {
	return typeof value === "object" ? [value.length, ...innerShape(value[0])] : [];
}
