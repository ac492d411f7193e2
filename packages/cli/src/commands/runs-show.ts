// `zk0 runs show <id>`: one run, from its log.
import { relative, resolve } from "node:path";
import { readRun, readRunRecord, readTrainingLog, summarizeTraining } from "@zk0/records";
import { findRun, RUN_POSITIONAL } from "../arguments/find-run.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { createPaint, wantsColour } from "../progress/paint.ts";
import { renderRunFrame } from "../progress/run-frame.ts";
import { renderTrainingRun } from "../training/training-frame.ts";

/** The command. */
export const runsShow = defineCommand({
	positionals: [RUN_POSITIONAL],
	options: { out: { ...RUN_OPTIONS.out, summary: "directory that holds the runs (default: runs)" } },
	examples: ["zk0 runs show latest", "zk0 runs show latest --json"],
	async run({ values, named, host, output }) {
		const paths = await findRun(resolve(host.cwd, values.out ?? "runs"), named["run"] ?? "");
		const paint = createPaint(wantsColour(host.stdout.isTTY, host.env));
		const { training } = await readRunRecord(paths.config);
		if (training !== undefined) {
			const summary = summarizeTraining(await readTrainingLog(paths.trainingLog));
			output.result({ runDir: paths.root, training, summary }, () =>
				renderTrainingRun(paths, training, summary, paint),
			);
			return;
		}
		const { record, summary, head } = await readRun(paths);
		output.result({ runDir: paths.root, record, summary, logHead: head }, () =>
			[
				renderRunFrame(
					summary,
					[
						["directory", relative(host.cwd, paths.root) || "."],
						["log", `whole, head ${head.slice(0, 12)}`],
					],
					paint,
				),
				...summary.incidents.map(({ at, text }) =>
					paint.warn(`${at.slice(0, 19).replace("T", " ")}  ${text}`),
				),
				...(summary.status === "completed" ? [] : [`continue with: zk0 runs resume ${paths.id}`]),
			].join("\n"),
		);
	},
});
