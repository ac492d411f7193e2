// The rounds of which a run has checkpoints.
import { readdir } from "node:fs/promises";
import { dirname } from "node:path";
import { codeOf } from "@zk0/arrays";
import type { RunPaths } from "./paths.ts";

/** Rounds whose folder of checkpoints is there, ascending; what else lies beside them is not looked at. */
export async function roundsWithCheckpoints(paths: RunPaths): Promise<number[]> {
	const folder = dirname(dirname(paths.globalCheckpoint(0)));
	const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
		if (codeOf(error) === "ENOENT") return [];
		throw error;
	});
	return entries
		.flatMap((entry) => {
			const number = /^round_(\d+)$/.exec(entry.name)?.[1];
			return entry.isDirectory() && number !== undefined ? [Number(number)] : [];
		})
		.sort((a, b) => a - b);
}
