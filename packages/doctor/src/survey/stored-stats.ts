// Statistics as a dataset stores them, read without LeRobot's requirements: a key that should not be there and a
// count that is missing are what the doctor looks for.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DatasetError, type DatasetInfo, type DatasetLayout } from "@zk0/dataset";
import { z } from "zod";

/** One feature's stored numbers, flat; a statistic that is absent is empty. */
export interface StoredFeature {
	readonly mean: readonly number[];
	readonly std: readonly number[];
	readonly min: readonly number[];
	readonly max: readonly number[];
}

/** Stored statistics of the whole dataset by the key they are stored under. */
export interface StoredStats {
	/** Absolute path. */
	readonly file: string;
	readonly features: Readonly<Record<string, StoredFeature>>;
}

type Nested = number | null | readonly Nested[];
const nested: z.ZodType<Nested> = z.lazy(() => z.union([z.number(), z.null(), z.array(nested)]));
const statsFile = z.record(z.string(), z.record(z.string(), nested));

/**
 * Reads the statistics; null when the dataset stores none.
 * @throws DatasetError "bad-json", "bad-stats", "bad-metadata"
 */
export async function readStoredStats(
	root: string,
	info: DatasetInfo,
	layout: DatasetLayout,
	signal?: AbortSignal,
): Promise<StoredStats | null> {
	const file = join(root, "meta/stats.json");
	const text = await readFile(file, { encoding: "utf8", ...(signal && { signal }) }).catch(() => null);
	if (text !== null) {
		const parsed = statsFile.safeParse(parseJson(text, file));
		if (!parsed.success) {
			throw new DatasetError("bad-stats", `${file} is not a table of statistics`, {
				file,
				cause: parsed.error,
			});
		}
		const entries = Object.entries(parsed.data).map(([key, values]): [string, StoredFeature] => {
			const pick = (name: string): number[] => flatten(values[name] ?? []);
			return [key, { mean: pick("mean"), std: pick("std"), min: pick("min"), max: pick("max") }];
		});
		return { file, features: Object.fromEntries(entries) };
	}
	const stats = await layout.readStats(root, info, signal);
	return stats === null ? null : { file: join(root, "meta/episodes_stats.jsonl"), features: stats };
}

function parseJson(text: string, file: string): unknown {
	try {
		return JSON.parse(text);
	} catch (cause) {
		throw new DatasetError("bad-json", `${file} is not JSON`, { file, cause });
	}
}

function flatten(value: Nested): number[] {
	if (typeof value === "number") return [value];
	return value === null ? [Number.NaN] : value.flatMap(flatten);
}
