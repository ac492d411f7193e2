// A run for other programs: tables as CSV or Parquet, scalars for TensorBoard or MLflow.
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeFileAtomic } from "@zk0/arrays/node";
import { parquetWriteBuffer } from "hyparquet-writer";
import type { StoredRun } from "../run-directory/read-run.ts";
import { toCsv } from "./csv.ts";
import { toMlflow } from "./mlflow.ts";
import { roundTimes, runScalars, runTables, type Table } from "./run-tables.ts";
import { toTensorboard } from "./tensorboard.ts";

/** What a run can be exported as. */
export const EXPORT_FORMATS = ["csv", "parquet", "tensorboard", "mlflow"] as const;

/** A format. */
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Writes a run into `directory`, which is made; `only` names tables (CSV and Parquet). @returns the files written */
export async function exportRun(
	{ record, summary }: StoredRun,
	{
		format,
		directory,
		only,
	}: { readonly format: ExportFormat; readonly directory: string; readonly only: readonly string[] },
): Promise<string[]> {
	const tables = runTables(summary).filter(({ name }) => only.length === 0 || only.includes(name));
	const times = roundTimes(summary);
	const startMs = times.get(0) ?? 0;
	const files: ReadonlyMap<string, string | Uint8Array> = {
		csv: () => new Map(tables.map((table) => [`${table.name}.csv`, toCsv(table)])),
		parquet: () => new Map(tables.map((table) => [`${table.name}.parquet`, toParquet(table)])),
		tensorboard: () => {
			const name = `${record.runId}/events.out.tfevents.${Math.floor(startMs / 1000)}.zk0`;
			return new Map([[name, toTensorboard(runScalars(summary), (round) => times.get(round) ?? startMs)]]);
		},
		mlflow: () => toMlflow(summary, record),
	}[format]();
	const written: string[] = [];
	for (const [path, content] of files) {
		const target = join(directory, path);
		await mkdir(dirname(target), { recursive: true });
		await writeFileAtomic(target, content);
		written.push(target);
	}
	return written;
}

function toParquet({ columns, rows }: Table): Uint8Array {
	const columnData = columns.map(({ name, type }, index) => ({
		name,
		data: rows.map((row) => row[index] ?? null),
		type: type === "text" ? ("STRING" as const) : ("DOUBLE" as const),
		nullable: true,
	}));
	return new Uint8Array(parquetWriteBuffer({ columnData }));
}
