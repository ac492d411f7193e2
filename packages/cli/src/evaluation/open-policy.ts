// Checkpoints that commands are given: a directory, or hf:<user>/<name> from the Hugging Face hub or its cache; and
// those that may run on data or a robot, because they are bound to a site's statistics.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { isHubReference } from "@zk0/hub";
import {
	assertDeployable,
	type Checkpoint,
	type HubCheckpoint,
	type OpenOptions,
	openCheckpoint,
	resolveHubCheckpoint,
} from "@zk0/policy";
import { CliError } from "../cli-error.ts";
import type { Host } from "../host.ts";
import { createDownloadReporter } from "../sources/download-reporter.ts";

/**
 * The directory of a checkpoint, downloaded where its name says so.
 * @throws CliError "model-not-found"; HubError
 */
export async function locateModel(name: string, host: Host): Promise<HubCheckpoint> {
	const { cwd, env, signal } = host;
	if (isHubReference(name)) {
		// Only a line that is wiped again: commands say nothing of their own about where a model came from.
		using reporter = createDownloadReporter(name, host.stderr.isTTY ? host.stderr : undefined, host);
		return await resolveHubCheckpoint(name, { env, signal, onProgress: reporter.progress });
	}
	const directory = resolve(cwd, name);
	if (existsSync(directory)) return { directory };
	throw new CliError("model-not-found", `there is no checkpoint at ${directory}`, {
		cure: "give the directory of a LeRobot SmolVLA checkpoint, the one with config.json, or hf:<user>/<name>",
	});
}

/** Opens a checkpoint; an adapter's base is found where the adapter says, on the hub too. @throws as `locateModel`; PolicyError */
export async function openModel(
	name: string,
	place: Host,
	options: Pick<OpenOptions, "baseDir"> = {},
): Promise<Checkpoint> {
	const { directory, ...found } = await locateModel(name, place);
	return await openCheckpoint(directory, { ...found, ...options, hub: place });
}

/** Opens a checkpoint to act with. @throws PolicyError "not-bound" for a global checkpoint; as `openModel` */
export async function openBoundModel(name: string, place: Host): Promise<Checkpoint> {
	const checkpoint = await openModel(name, place);
	try {
		assertDeployable(checkpoint);
		return checkpoint;
	} catch (error) {
		checkpoint[Symbol.dispose]();
		throw error;
	}
}
