// Columns besides state and action on their way from one dataset to another: read file by file, in the types that
// the writer takes.
import type { LeRobotDataset } from "./dataset.ts";
import { DatasetError } from "./errors.ts";
import type { Feature } from "./info.ts";
import { type ParquetTable, readParquet } from "./parquet/read.ts";

/** Reads the further columns of a dataset's episodes. */
export interface ColumnReader {
	/** Values of an episode's rows by feature. @throws DatasetError "bad-parquet", "missing-file". */
	read(episodeIndex: number): Promise<Record<string, readonly unknown[]>>;
}

/** A reader of `features`; it keeps the last file. */
export function createColumnReader(
	dataset: LeRobotDataset,
	features: Readonly<Record<string, Feature>>,
	{ signal }: { signal?: AbortSignal } = {},
): ColumnReader {
	const names = Object.keys(features);
	let table: ParquetTable | null = null;
	return {
		async read(episodeIndex) {
			const episode = dataset.episodes[episodeIndex];
			if (names.length === 0 || episode === undefined) return {};
			const { dataPath, fileRow, length } = episode;
			if (table?.path !== dataPath) table = await readParquet(dataPath, names, { signal });
			const current = table;
			return Object.fromEntries(
				Object.entries(features).map(([name, feature]) => {
					const values = current.column(name).slice(fileRow, fileRow + length);
					return [
						name,
						values.map((value, row) => writable(value, feature, { dataPath, name, row: fileRow + row })),
					];
				}),
			);
		},
	};
}

function writable(
	value: unknown,
	{ dtype, shape }: Feature,
	place: { dataPath: string; name: string; row: number },
): unknown {
	const dim = shape[0] ?? 1;
	const list: readonly unknown[] =
		Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))
			? Array.from<unknown>(Object.values(value))
			: [value];
	const elements = list.map((element) => elementOf(element, dtype));
	if (elements.length !== dim || elements.includes(undefined)) {
		throw new DatasetError(
			"bad-parquet",
			`${place.dataPath}: ${place.name}[${place.row}] is not ${dim} of ${dtype} as info.json says; leave the feature out (--remove-features ${place.name})`,
			{ file: place.dataPath },
		);
	}
	return dim === 1 ? elements[0] : elements;
}

/** The value as the writer takes it (texts may be missing: null); undefined when it is none of `dtype`. */
function elementOf(value: unknown, dtype: string): unknown {
	if (dtype === "string")
		return typeof value === "string" ? value : (value ?? null) === null ? null : undefined;
	if (dtype === "bool") return typeof value === "boolean" ? value : undefined;
	if (typeof value !== "number" && typeof value !== "bigint") return undefined;
	if (dtype === "int64") return Number.isInteger(Number(value)) ? BigInt(value) : undefined;
	return Number(value);
}
