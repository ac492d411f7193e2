// Finding the run that a word means: by its id, a part of it, "latest" or its path.

import { basename, dirname, resolve } from "node:path";
import { nearest } from "@zk0/arrays";
import { isRunDirectory, listRunIds, type RunPaths, runPaths } from "@zk0/records";
import { CliError } from "../cli-error.ts";

/** The positional of commands that take a run. */
export const RUN_POSITIONAL = {
	name: "run",
	summary: "a run's id, the beginning or end of one, its path, or latest",
} as const;

/**
 * The run that a word names.
 * @throws CliError "run-not-found" for no run or for more than one.
 */
export async function findRun(out: string, word: string): Promise<RunPaths> {
	if (await isRunDirectory(word)) {
		const root = resolve(word);
		return runPaths(dirname(root), basename(root));
	}
	const ids = await listRunIds(out);
	const latest = ids.at(-1);
	if (word === "latest" && latest !== undefined) return runPaths(out, latest);
	const matches = ids.includes(word) ? [word] : ids.filter((id) => id.startsWith(word) || id.endsWith(word));
	const [only] = matches;
	if (only !== undefined && matches.length === 1) return runPaths(out, only);
	if (matches.length > 1) {
		throw new CliError("run-not-found", `"${word}" could be ${matches.join(", ")}`, {
			cure: "write more of the id",
		});
	}
	const suggestion = nearest(word, ids);
	const cure =
		suggestion !== undefined
			? `did you mean ${suggestion}?`
			: ids.length === 0
				? "start one with `zk0 simulate`, or name another directory with --out"
				: "list the runs with `zk0 runs list`";
	throw new CliError("run-not-found", `no run "${word}" in ${out}`, { cure });
}
