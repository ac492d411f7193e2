// The runs under a directory: the folders that hold a config.json.
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "@zk0/arrays";

/** Whether `path` is the directory of a run. */
export async function isRunDirectory(path: string): Promise<boolean> {
	try {
		return (await stat(join(path, "config.json"))).isFile();
	} catch (error) {
		if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return false;
		throw error;
	}
}

/** Ids of the runs under `out`, oldest first; none when the directory does not exist. */
export async function listRunIds(out: string): Promise<string[]> {
	const entries = await readdir(out, { withFileTypes: true }).catch((error: unknown) => {
		if (codeOf(error) === "ENOENT") return [];
		throw error;
	});
	const found: string[] = [];
	for (const entry of entries) {
		if (entry.isDirectory() && (await isRunDirectory(join(out, entry.name)))) found.push(entry.name);
	}
	return found.sort();
}
