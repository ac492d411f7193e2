// `zk0 verify <run or checkpoint>`: recomputes what a run's log says.
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { weightsPath } from "@zk0/policy";
import type { RunPaths } from "@zk0/records";
import { type Check, verifyRun } from "@zk0/records/verification";
import { z } from "zod";
import { findRun } from "../arguments/find-run.ts";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { createPaint, wantsColour } from "../progress/paint.ts";

const OPTIONS = {
	run: {
		kind: "text",
		schema: z.string().min(1),
		value: "<run>",
		summary: "the run that a checkpoint comes from, when it does not lie in its directory",
	},
	out: { ...RUN_OPTIONS.out, summary: "directory that holds the runs (default: runs)" },
} satisfies OptionTable;

const COLOURS: Readonly<Record<Check["state"], "good" | "bad" | "dim">> = {
	holds: "good",
	fails: "bad",
	absent: "dim",
};

/** The command. */
export const verify = defineCommand({
	positionals: [{ name: "what", summary: "a run (id, path or latest), or a checkpoint's directory" }],
	options: OPTIONS,
	notes: [
		"Recomputes hashes: the chain of the log, the start, every round's weights that are kept, every checkpoint's " +
			"trained and frozen tensors, the sites' copies; and checks each update's signature under the key that its " +
			"site joined with. Exit code 16 when anything does not hold.",
	],
	examples: ["zk0 verify latest", "zk0 verify runs/20261123-1244-beef/checkpoints/round_3/global"],
	async run({ values, named, host, output }) {
		const what = named["what"] ?? "";
		const out = resolve(host.cwd, values.out ?? "runs");
		const directory = resolve(host.cwd, what);
		const isCheckpoint = existsSync(weightsPath(directory)) && !isRun(directory);
		const paths = isCheckpoint
			? await findRun(out, values.run === undefined ? ownerOf(directory) : resolveRun(host.cwd, values.run))
			: await findRun(out, resolveRun(host.cwd, what));
		const found = await verifyRun(paths, {
			open: { hub: host },
			...(isCheckpoint ? { checkpoint: directory } : {}),
		});
		const paint = createPaint(wantsColour(host.stdout.isTTY, host.env));
		output.result({ ...found, run: paths.root }, () =>
			[
				...found.checks.map(
					({ subject, state, detail }) => `${paint[COLOURS[state]](state.padEnd(6))}  ${subject}: ${detail}`,
				),
				conclusion(found.holds, paths),
			].join("\n"),
		);
		return found.holds ? "ok" : "not-verified";
	},
});

function conclusion(holds: boolean, { id }: RunPaths): string {
	return holds
		? `run ${id}: everything that is there is what the log says`
		: `run ${id}: something is not what the log says; do not use these weights until you know why`;
}

function isRun(directory: string): boolean {
	return existsSync(join(directory, "events.jsonl"));
}

/** A path to a run as it is from here; other words are ids. */
function resolveRun(cwd: string, word: string): string {
	const path = resolve(cwd, word);
	return existsSync(join(path, "config.json")) ? path : word;
}

/** The run's directory around a checkpoint. */
function ownerOf(checkpoint: string): string {
	for (let dir = dirname(checkpoint); dir !== dirname(dir); dir = dirname(dir)) if (isRun(dir)) return dir;
	throw new CliError("run-not-found", `${checkpoint} does not lie in the directory of a run`, {
		cure: "name the run it comes from: --run <run>",
	});
}
