// A checkpoint that may run on data or a robot: one that is bound to a site's statistics.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { assertDeployable, type Checkpoint, openCheckpoint } from "@zk0/policy";
import { CliError } from "../cli-error.ts";

/**
 * Opens a checkpoint directory.
 * @throws CliError "model-not-found"; PolicyError
 */
export async function openModel(path: string, cwd: string): Promise<Checkpoint> {
	return await openCheckpoint(modelDirectory(path, cwd));
}

/** The absolute path of a checkpoint that is there. @throws CliError "model-not-found" */
export function modelDirectory(path: string, cwd: string): string {
	const dir = resolve(cwd, path);
	if (existsSync(dir)) return dir;
	throw new CliError("model-not-found", `there is no checkpoint at ${dir}`, {
		cure: "give the directory of a LeRobot SmolVLA checkpoint, the one with config.json",
	});
}

/** Opens a checkpoint to act with. @throws PolicyError "not-bound" for a global checkpoint; as `openModel` */
export async function openBoundModel(path: string, cwd: string): Promise<Checkpoint> {
	const checkpoint = await openModel(path, cwd);
	try {
		assertDeployable(checkpoint);
		return checkpoint;
	} catch (error) {
		checkpoint[Symbol.dispose]();
		throw error;
	}
}
