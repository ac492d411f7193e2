// The runs under a directory: listing them, and finding one by its id, a part of it, "latest" or its path.
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";
import { nearest } from "../suggest.ts";
import { type RunPaths, runPaths } from "./paths.ts";

/** The positional of commands that take a run. */
export const RUN_POSITIONAL = {
	name: "run",
	summary: "a run's id, the beginning or end of one, its path, or latest",
} as const;

/** Ids of the runs under `out`, oldest first; none when the directory does not exist. */
export async function listRunIds(out: string): Promise<string[]> {
	const entries = await readdir(out, { withFileTypes: true }).catch((error: unknown) => {
		if (codeOf(error) === "ENOENT") return [];
		throw error;
	});
	const found: string[] = [];
	for (const entry of entries) {
		if (entry.isDirectory() && (await isFile(join(out, entry.name, "config.json")))) found.push(entry.name);
	}
	return found.sort();
}

async function isFile(path: string): Promise<boolean> {
	try {
		return (await stat(path)).isFile();
	} catch (error) {
		if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return false;
		throw error;
	}
}

/**
 * The run that a word names.
 * @throws CliError "run-not-found" for no run or for more than one.
 */
export async function findRun(out: string, word: string): Promise<RunPaths> {
	if (await isFile(join(word, "config.json"))) {
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
