// `zk0 simulate`: a federation in this process, with the production server and client code.
import { relative, resolve } from "node:path";
import type { OptionTable } from "../arguments/option.ts";
import { defineCommand } from "../command.ts";
import { readConfigFile } from "../config/config-file.ts";
import { CONFIG_OPTION } from "../config/config-option.ts";
import { pickRunOptions, resolveConfig } from "../config/resolve.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import type { Host } from "../host.ts";
import { createPaint, wantsColour } from "../progress/paint.ts";
import { renderRunFrame } from "../progress/run-frame.ts";
import { simulationResult } from "../simulation/result.ts";
import { type FinishedRun, startRun } from "../simulation/run-simulation.ts";

const OPTIONS = {
	config: {
		...CONFIG_OPTION,
		summary:
			"JSON file with any of the settings below, by name (--local-steps is localSteps); `zk0 help configuration`",
	},
	...RUN_OPTIONS,
} satisfies OptionTable;

/** The command. */
export const simulate = defineCommand({
	options: OPTIONS,
	notes: [
		"The same seed gives the same weights on one machine, however many sites train at the same time. " +
			"Ctrl-C stops after writing what is finished; `zk0 runs resume` goes on from there.",
	],
	examples: [
		"zk0 simulate",
		"zk0 simulate --rounds 10 --strategy fedavg --seed 7",
		"zk0 simulate --data kitchen=data/kitchen --data lab=sim:push-blue-left --json",
	],
	async run({ values, flags, variables, host, output }) {
		const startedMs = host.now();
		const path = values.config === undefined ? undefined : resolve(host.cwd, values.config);
		const fromFile = path === undefined ? {} : await readConfigFile(path, { signal: host.signal });
		const finished = await startRun(
			resolveConfig(pickRunOptions(flags), fromFile, pickRunOptions(variables)),
			{ host, output },
		);
		const seconds = (host.now() - startedMs) / 1000;
		output.result(simulationResult(finished.summary, { ...finished, seconds }), () =>
			renderFinished(finished, host),
		);
	},
});

/** The summary of a finished run, for people. */
export function renderFinished({ paths, summary, modelSha256 }: FinishedRun, host: Host): string {
	const paint = createPaint(wantsColour(host.stdout.isTTY, host.env));
	const shown = (path: string): string => relative(host.cwd, path) || ".";
	const last = summary.rounds.at(-1)?.round ?? 0;
	const [site = ""] = summary.sites;
	return renderRunFrame(
		summary,
		[
			["report", shown(paths.report)],
			["model", shown(paths.globalCheckpoint(last))],
			["for a robot", shown(paths.siteCheckpoint(last, site))],
			["SHA-256", modelSha256],
		],
		paint,
	);
}
