// `zk0 runs list`: the runs under a directory, newest first.
import { resolve } from "node:path";
import { z } from "zod";
import type { OptionTable } from "../arguments/option.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { formatChange, formatDuration, formatLoss } from "../progress/format.ts";
import { createPaint, padVisible, visibleWidth, wantsColour } from "../progress/paint.ts";
import { listRunIds } from "../run-directory/find-run.ts";
import { runPaths } from "../run-directory/paths.ts";
import { readRun } from "../run-directory/read-run.ts";

const OPTIONS = {
	out: { ...RUN_OPTIONS.out, summary: "directory that holds the runs (default: runs)" },
	limit: {
		kind: "number",
		schema: z.int().min(1),
		value: "<n>",
		summary: "show only the newest (default: 20)",
	},
} satisfies OptionTable;

/** One line of the list. */
interface RunLine {
	readonly runId: string;
	readonly status: string;
	readonly rounds: number;
	readonly numRounds: number | null;
	readonly sites: number;
	readonly initialLoss: number | null;
	readonly finalLoss: number | null;
	readonly seconds: number | null;
}

/** The command. */
export const runsList = defineCommand({
	path: ["runs", "list"],
	summary: "List the runs, newest first.",
	options: OPTIONS,
	async run({ values, host, output }) {
		const out = resolve(host.cwd, values.out ?? "runs");
		const ids = (await listRunIds(out)).toReversed().slice(0, values.limit ?? 20);
		const lines: RunLine[] = [];
		for (const id of ids) lines.push(await readLine(out, id));
		const paint = createPaint(wantsColour(host.stdout.isTTY, host.env));
		output.result({ out, runs: lines }, () => renderTable(lines, out, paint));
	},
});

/** A damaged run is a line of the list, not the end of it. */
async function readLine(out: string, id: string): Promise<RunLine> {
	const unknown = {
		runId: id,
		rounds: 0,
		numRounds: null,
		sites: 0,
		initialLoss: null,
		finalLoss: null,
		seconds: null,
	};
	try {
		const { summary, record } = await readRun(runPaths(out, id));
		const { status, numRounds, initialLoss, finalLoss, seconds } = summary;
		const rounds = Math.max(0, summary.rounds.length - 1);
		return {
			runId: id,
			status,
			rounds,
			numRounds,
			sites: record.sites.length,
			initialLoss,
			finalLoss,
			seconds,
		};
	} catch (error) {
		return { ...unknown, status: `damaged: ${error instanceof Error ? error.message : "unreadable"}` };
	}
}

function renderTable(lines: readonly RunLine[], out: string, paint: ReturnType<typeof createPaint>): string {
	if (lines.length === 0) return `no runs in ${out}; start one with \`zk0 simulate\``;
	const rows = lines.map((line) => [
		line.runId,
		line.status,
		`${line.rounds}/${line.numRounds ?? "?"}`,
		String(line.sites),
		formatLoss(line.initialLoss),
		formatLoss(line.finalLoss),
		formatChange(line.initialLoss, line.finalLoss),
		formatDuration(line.seconds === null ? null : line.seconds * 1000),
	]);
	const header = ["run", "status", "rounds", "sites", "round 0", "last", "change", "time"];
	const widths = header.map((name, column) => {
		return Math.max(name.length, ...rows.map((row) => visibleWidth(row[column] ?? "")));
	});
	const render = (row: readonly string[]): string =>
		row
			.map((cell, column) => padVisible(cell, widths[column] ?? 0, column < 2 ? "left" : "right"))
			.join("  ");
	return [paint.dim(render(header)), ...rows.map(render)].join("\n");
}
