// `zk0 runs compare <run> <run>…`: results side by side, and the settings that differ.
import { resolve } from "node:path";
import { readRun, type StoredRun } from "@zk0/records";
import { formatBytes, formatChange, formatDuration, formatLoss } from "@zk0/records/format";
import { findRun, RUN_POSITIONAL } from "../arguments/find-run.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { SETTING_NAMES, settingText } from "../config/settings.ts";
import { createPaint, wantsColour } from "../progress/paint.ts";
import { renderTable } from "../progress/table.ts";

/** A row of the results: its name and what it says of a run. */
const RESULTS: readonly (readonly [string, (run: StoredRun) => string])[] = [
	["status", ({ summary }) => summary.status],
	["sites", ({ record }) => record.sites.map(({ name }) => name).join(" ")],
	["rounds", ({ summary }) => `${Math.max(0, summary.rounds.length - 1)}/${summary.numRounds ?? "?"}`],
	["loss at round 0", ({ summary }) => formatLoss(summary.initialLoss)],
	["loss at the end", ({ summary }) => formatLoss(summary.finalLoss)],
	["change", ({ summary }) => formatChange(summary.initialLoss, summary.finalLoss)],
	["best loss", ({ summary }) => formatLoss(bestLoss(summary.rounds))],
	["sent to sites", ({ summary }) => formatBytes(summary.bytesDown)],
	["sent by sites", ({ summary }) => formatBytes(summary.bytesUp)],
	["time", ({ summary }) => formatDuration(summary.seconds === null ? null : summary.seconds * 1000)],
];

/** The command. */
export const runsCompare = defineCommand({
	positionals: [{ ...RUN_POSITIONAL, several: true }],
	options: { out: { ...RUN_OPTIONS.out, summary: "directory that holds the runs (default: runs)" } },
	notes: ["Losses are in each site's own units: compare those of runs with the same sites and recordings."],
	examples: ["zk0 runs compare 20261123-1244-beef latest"],
	async run({ values, several, host, output }) {
		const out = resolve(host.cwd, values.out ?? "runs");
		const runs: StoredRun[] = [];
		for (const word of several) runs.push(await readRun(await findRun(out, word)));
		const configs = runs.map(({ record }): Readonly<Record<string, unknown>> => record.config);
		const changed = SETTING_NAMES.filter(
			(key) => new Set(configs.map((config) => settingText(key, config[key] ?? null))).size > 1,
		);
		const numRounds = Math.max(...runs.map(({ summary }) => summary.rounds.length));
		const losses = Array.from({ length: numRounds }, (_, round) =>
			runs.map(({ summary }) => summary.rounds.find((one) => one.round === round)?.loss ?? null),
		);
		const document = {
			runs: runs.map(({ paths, summary }) => ({ runId: paths.id, summary })),
			losses,
			settings: Object.fromEntries(changed.map((key) => [key, configs.map((config) => config[key] ?? null)])),
		};
		output.result(document, () => {
			const paint = createPaint(wantsColour(host.stdout.isTTY, host.env));
			const ids = runs.map(({ paths }) => paths.id);
			const table = (name: string, rows: readonly (readonly string[])[]): string =>
				renderTable([name, ...ids], rows, { paint, right: ids });
			return [
				table(
					"result",
					RESULTS.map(([name, read]) => [name, ...runs.map(read)]),
				),
				table(
					"loss in round",
					losses.map((row, round) => [String(round), ...row.map(formatLoss)]),
				),
				changed.length === 0
					? "the settings are equal"
					: table(
							"setting",
							changed.map((key) => [key, ...configs.map((config) => settingText(key, config[key] ?? null))]),
						),
			].join("\n\n");
		});
	},
});

function bestLoss(rounds: StoredRun["summary"]["rounds"]): number | null {
	const known = rounds.flatMap(({ loss }) => loss ?? []);
	return known.length === 0 ? null : Math.min(...known);
}
