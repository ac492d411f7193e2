// `zk0 runs export <run>`: a run as CSV, Parquet, TensorBoard event file or MLflow store.

import { relative, resolve } from "node:path";
import { nearest } from "@zk0/arrays";
import { readRun, requireRounds } from "@zk0/records";
import { EXPORT_FORMATS, exportRun, TABLE_NAMES } from "@zk0/records/export";
import { z } from "zod";
import { findRun, RUN_POSITIONAL } from "../arguments/find-run.ts";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";

const OPTIONS = {
	out: { ...RUN_OPTIONS.out, summary: "directory that holds the runs (default: runs)" },
	format: {
		kind: "text",
		schema: z.enum(EXPORT_FORMATS),
		value: "<format>",
		summary: `${EXPORT_FORMATS.join(", ")} (default: csv)`,
	},
	table: {
		kind: "text",
		schema: z.string().min(1),
		value: "<names>",
		summary: `tables for csv and parquet, with commas between: ${TABLE_NAMES.join(", ")} (default: all)`,
	},
	to: {
		kind: "text",
		schema: z.string().min(1),
		value: "<dir>",
		summary: "directory to write into (default: export in the run's directory)",
	},
} satisfies OptionTable;

/** The command. */
export const runsExport = defineCommand({
	positionals: [RUN_POSITIONAL],
	options: OPTIONS,
	notes: [
		"TensorBoard: `tensorboard --logdir <dir>`. MLflow: `mlflow ui --backend-store-uri <dir>`. What was not measured " +
			"is empty or null, never 0.",
	],
	examples: [
		"zk0 runs export latest --format parquet --table rounds,sites",
		"zk0 runs export latest --format tensorboard --to tb",
	],
	async run({ values, named, host, output }) {
		const paths = await findRun(resolve(host.cwd, values.out ?? "runs"), named["run"] ?? "");
		const only = values.table?.split(",") ?? [];
		const unknown = only.find((name) => !TABLE_NAMES.some((known) => known === name));
		if (unknown !== undefined) {
			const meant = nearest(unknown, TABLE_NAMES);
			throw new CliError("bad-flag", `there is no table "${unknown}"`, {
				cure: meant === undefined ? `tables are ${TABLE_NAMES.join(", ")}` : `did you mean ${meant}?`,
			});
		}
		const directory = values.to === undefined ? `${paths.root}/export` : resolve(host.cwd, values.to);
		const run = await readRun(paths);
		requireRounds(run.record);
		const files = await exportRun(run, { format: values.format ?? "csv", directory, only });
		output.result({ run: paths.id, files }, () => {
			const [first = directory] = files;
			const where = relative(host.cwd, files.length === 1 ? first : directory) || ".";
			return `${files.length} file${files.length === 1 ? "" : "s"}: ${where}`;
		});
	},
});
