// `zk0 runs prune`: bounds how much of the disk runs take.
import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import { type PrunablePart, planPrune, prunableRuns } from "@zk0/records";
import { formatBytes } from "@zk0/records/format";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { byteSize, RUN_OPTIONS } from "../config/run-options.ts";
import { createPaint, wantsColour } from "../progress/paint.ts";
import { renderTable } from "../progress/table.ts";

const KEEP_RUNS = 3;

/** The command. */
export const runsPrune = defineCommand({
	options: {
		out: { ...RUN_OPTIONS.out, summary: "directory that holds the runs (default: runs)" },
		maxSize: {
			kind: "text",
			schema: byteSize,
			value: "<bytes>",
			summary:
				"stop as soon as the runs together take no more, for example 50GB (default: delete all that may go)",
		},
		wholeRuns: {
			kind: "switch",
			schema: z.boolean(),
			summary: "after that delete whole finished runs, too, the oldest first",
		},
		keep: {
			kind: "number",
			schema: z.int().min(0),
			value: "<n>",
			summary: `with --whole-runs: finished runs that stay, the newest (default: ${KEEP_RUNS})`,
		},
		dryRun: { kind: "switch", schema: z.boolean(), summary: "only show what would be deleted" },
	},
	notes: [
		"Of a finished run it deletes the working files of sites and the checkpoints between the first and the last round. " +
			"A run that is not finished, or that a process works on, is never touched. Fails (exit code 9) when --max-size " +
			"could not be reached.",
		"A server's runs lie in the folder runs of its state: --out ~/.zk0/server/runs.",
	],
	examples: ["zk0 runs prune --dry-run", "zk0 runs prune --max-size 50GB --whole-runs --keep 5"],
	async run({ values, host, output }) {
		const out = resolve(host.cwd, values.out ?? "runs");
		const maxBytes = values.maxSize ?? null;
		const isDry = values.dryRun === true;
		const runs = await prunableRuns(out);
		const before = runs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
		const parts = planPrune(runs, {
			maxBytes,
			wholeRuns: values.wholeRuns === true,
			keepRuns: values.keep ?? KEEP_RUNS,
		});
		if (!isDry) {
			for (const { path } of parts) {
				host.signal.throwIfAborted();
				await rm(path, { recursive: true, force: true });
			}
		}
		const freed = parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
		const after = before - freed;
		const kept = runs.filter(({ isFinished }) => !isFinished).map(({ runId }) => runId);
		output.result({ out, dryRun: isDry, before, after, deleted: parts, unfinished: kept }, () =>
			[
				...(parts.length === 0
					? []
					: [renderParts(parts, createPaint(wantsColour(host.stdout.isTTY, host.env)))]),
				`${isDry ? "would free" : "freed"} ${formatBytes(freed)}: ${formatBytes(before)} → ${formatBytes(after)} in ${out}`,
				...(kept.length === 0 ? [] : [`not finished or not readable, not touched: ${kept.join(", ")}`]),
			].join("\n"),
		);
		if (maxBytes === null || after <= maxBytes) return;
		throw new CliError(
			"over-budget",
			`the runs ${isDry ? "would still" : "still"} take ${formatBytes(after)}`,
			{
				cure:
					values.wholeRuns === true
						? "raise --max-size or lower --keep"
						: "let whole runs go with --whole-runs",
			},
		);
	},
});

function renderParts(parts: readonly PrunablePart[], paint: ReturnType<typeof createPaint>): string {
	return renderTable(
		["run", "what", "size"],
		parts.map(({ runId, what, sizeBytes }) => [runId, what, formatBytes(sizeBytes)]),
		{ paint, right: ["size"] },
	);
}
