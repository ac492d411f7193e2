// `zk0 runs resume <id>`: goes on with a federation or a training that was stopped or killed; ends at the bytes of an
// undisturbed run.
import { resolve } from "node:path";
import { readRunRecord } from "@zk0/records";
import { findRun, RUN_POSITIONAL } from "../arguments/find-run.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { simulationResult } from "../simulation/result.ts";
import { resumeRun } from "../simulation/run-simulation.ts";
import { resumeTraining } from "../training/run-training.ts";
import { renderFinished } from "./simulate.ts";
import { renderTraining } from "./train.ts";

/** The command. */
export const runsResume = defineCommand({
	positionals: [RUN_POSITIONAL],
	options: { out: { ...RUN_OPTIONS.out, summary: "directory that holds the runs (default: runs)" } },
	examples: ["zk0 runs resume latest"],
	async run({ values, named, host, output }) {
		const startedMs = host.now();
		const paths = await findRun(resolve(host.cwd, values.out ?? "runs"), named["run"] ?? "");
		const { training, ...record } = await readRunRecord(paths.config);
		const elapsed = (): number => (host.now() - startedMs) / 1000;
		if (training !== undefined) {
			const result = await resumeTraining(paths, { ...record, training }, { host, output });
			output.result({ ...result, seconds: elapsed() }, () => renderTraining(result, host));
			return;
		}
		const finished = await resumeRun(paths, { host, output });
		const seconds = elapsed();
		output.result(simulationResult(finished.summary, { ...finished, seconds }), () =>
			renderFinished(finished, host),
		);
	},
});
