// `zk0 runs list`: the runs under a directory, newest first.
import { resolve } from "node:path";
import {
	listRunIds,
	type RunPaths,
	readRun,
	readRunRecord,
	readTrainingLog,
	runPaths,
	summarizeTraining,
} from "@zk0/records";
import { formatChange, formatDuration, formatLoss } from "@zk0/records/format";
import { z } from "zod";
import type { OptionTable } from "../arguments/option.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { createPaint, wantsColour } from "../progress/paint.ts";
import { renderTable } from "../progress/table.ts";

const OPTIONS = {
	out: { ...RUN_OPTIONS.out, summary: "directory that holds the runs (default: runs)" },
	limit: {
		kind: "number",
		schema: z.int().min(1),
		value: "<n>",
		summary: "show only the newest (default: 20)",
	},
} satisfies OptionTable;

const LEFT = ["run", "status"];
const RIGHT = ["rounds", "sites", "round 0", "last", "change", "time"];

/** One line of the list. */
interface RunLine {
	readonly runId: string;
	readonly status: string;
	readonly rounds: number;
	readonly numRounds: number | null;
	readonly sites: number;
	/** Saved and wanted steps of a training without a federation; null for a federation. */
	readonly steps: number | null;
	readonly numSteps: number | null;
	readonly initialLoss: number | null;
	readonly finalLoss: number | null;
	readonly seconds: number | null;
}

/** The command. */
export const runsList = defineCommand({
	options: OPTIONS,
	async run({ values, host, output }) {
		const out = resolve(host.cwd, values.out ?? "runs");
		const ids = (await listRunIds(out)).toReversed().slice(0, values.limit ?? 20);
		const lines: RunLine[] = [];
		for (const id of ids) lines.push(await readLine(out, id));
		const paint = createPaint(wantsColour(host.stdout.isTTY, host.env));
		output.result({ out, runs: lines }, () => renderRuns(lines, out, paint));
	},
});

/** A damaged run is a line of the list, not the end of it. */
async function readLine(out: string, id: string): Promise<RunLine> {
	const unknown = {
		runId: id,
		rounds: 0,
		numRounds: null,
		sites: 0,
		steps: null,
		numSteps: null,
		initialLoss: null,
		finalLoss: null,
		seconds: null,
	};
	try {
		const paths = runPaths(out, id);
		const { training } = await readRunRecord(paths.config);
		if (training !== undefined) return { ...unknown, ...(await trainingLine(paths, training.steps)) };
		const { summary, record } = await readRun(paths);
		const { status, numRounds, initialLoss, finalLoss, seconds } = summary;
		const rounds = Math.max(0, summary.rounds.length - 1);
		return {
			...unknown,
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

async function trainingLine(
	paths: RunPaths,
	numSteps: number,
): Promise<Omit<RunLine, "runId" | "rounds" | "numRounds">> {
	const lines = await readTrainingLog(paths.trainingLog);
	const { status, steps, initialLoss, finalLoss, startedAt, endedAt } = summarizeTraining(lines);
	const spanMs = startedAt === null || endedAt === null ? null : Date.parse(endedAt) - Date.parse(startedAt);
	const seconds = spanMs === null ? null : spanMs / 1000;
	return { status, sites: 1, steps, numSteps, initialLoss, finalLoss, seconds };
}

function renderRuns(lines: readonly RunLine[], out: string, paint: ReturnType<typeof createPaint>): string {
	if (lines.length === 0) return `no runs in ${out}; start one with \`zk0 simulate\``;
	const rows = lines.map((line) => [
		line.runId,
		line.status,
		line.numSteps === null
			? `${line.rounds}/${line.numRounds ?? "?"}`
			: `step ${line.steps ?? 0}/${line.numSteps}`,
		String(line.sites),
		formatLoss(line.initialLoss),
		formatLoss(line.finalLoss),
		formatChange(line.initialLoss, line.finalLoss),
		formatDuration(line.seconds === null ? null : line.seconds * 1000),
	]);
	return renderTable([...LEFT, ...RIGHT], rows, { paint, right: RIGHT });
}
