// The model that a run starts from, on its way from the server to its sites: its files as the server offers them, and the
// folder in which a site keeps them. A site that can make the same model itself (bundled, random, or in the hub's cache)
// downloads nothing; weights are always checked against the run's hash.
import { existsSync } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { sha256File } from "@zk0/arrays/node";
import type { TaskContext } from "@zk0/federation";
import { HubError, isHubReference } from "@zk0/hub";
import { type Checkpoint, PolicyError, weightsPath } from "@zk0/policy";
import { CliError } from "../cli-error.ts";
import type { Host } from "../host.ts";
import { writeStartCheckpoint } from "../simulation/start-model.ts";
import type { RunSetup } from "./run-setup.ts";

/** The checkpoint itself, and the full model that an adapter belongs to. */
const START = "start";
const BASE = "base";
/** What of an adapter's base is needed to open it. */
const BASE_PARTS: ReadonlySet<string> = new Set(["config.json", "model.safetensors", "tokenizer", "vlm"]);
const TOKENIZER = "tokenizer";

/** Where a site keeps the checkpoint whose files have this id. */
export function startFolder(models: string, files: string): string {
	return join(models, files, START);
}

/** Where a kept start model lies: its checkpoint, and the full model of an adapter that was downloaded. */
export function startPlaces(models: string, files: string): StartModel {
	const directory = startFolder(models, files);
	const baseDir = join(models, files, BASE);
	return existsSync(baseDir) ? { directory, baseDir } : { directory };
}

/** The files of a run's start, by the names under which sites have them. */
export async function startFiles(
	checkpoint: Pick<Checkpoint, "directory" | "base" | "tokenizerDir">,
): Promise<Map<string, string>> {
	const { directory, base, tokenizerDir } = checkpoint;
	const files = new Map<string, string>();
	const add = async (from: string, to: string, isWanted: (part: string) => boolean): Promise<void> => {
		for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
			const path = join(entry.parentPath, entry.name);
			const name = relative(from, path).split(sep).join("/");
			// Links are files: a hub's cache is made of them.
			if (!entry.isDirectory() && isWanted(name.split("/")[0] ?? "")) files.set(`${to}/${name}`, path);
		}
	};
	await add(directory, START, () => true);
	if (base !== null) await add(base.directory, BASE, (part) => BASE_PARTS.has(part));
	const isInside = [directory, base?.directory].some(
		(dir) => dir !== undefined && tokenizerDir.startsWith(dir + sep),
	);
	if (!isInside) await add(tokenizerDir, `${START}/${TOKENIZER}`, (part) => part.includes("token"));
	return files;
}

/** What a site needs to have the model. */
export interface StartModelOptions {
	/** Folder of the models that this site has. */
	readonly models: string;
	readonly host: Host;
	readonly start: RunSetup["start"];
	readonly context: Pick<TaskContext, "fetchFiles">;
}

/** Where the model is. */
export interface StartModel {
	readonly directory: string;
	/** The full model of an adapter that was downloaded. */
	readonly baseDir?: string;
}

/**
 * The model that the run starts from: kept from before, made here, or downloaded from the server.
 * @throws CliError "model-unusable" when its weights are not those of the run; failures of transport and storage
 */
export async function startModel({ models, host, start, context }: StartModelOptions): Promise<StartModel> {
	const kept = join(models, start.files);
	if (!existsSync(kept)) {
		const partial = `${kept}.partial`;
		if (!(await isMadeHere(join(partial, START), start, host)))
			await context.fetchFiles(start.files, partial);
		await rename(partial, kept);
	}
	const places = startPlaces(models, start.files);
	const { directory } = places;
	if ((await sha256File(weightsPath(directory))) === start.modelSha256) return places;
	await rm(kept, { recursive: true, force: true });
	throw new CliError(
		"model-unusable",
		`the weights in ${directory} are not those that the run started from`,
		{
			cure: "they are removed; the client gets them again with its next task",
		},
	);
}

/** Makes the same checkpoint without the server, if that costs no download. */
async function isMadeHere(directory: string, start: RunSetup["start"], host: Host): Promise<boolean> {
	const { init } = start;
	// What an interrupted download left is gone on with.
	if (existsSync(directory) || !(init === "bundled" || init === "random" || isHubReference(init)))
		return false;
	const offline: Host = { ...host, env: { ...host.env, HF_HUB_OFFLINE: "1" } };
	try {
		await writeStartCheckpoint(directory, start, offline);
		if ((await sha256File(weightsPath(directory))) === start.modelSha256) return true;
	} catch (error) {
		// Not in the hub's cache, or made otherwise by this version of zk0: the server has it.
		if (!(error instanceof HubError || error instanceof PolicyError || error instanceof CliError))
			throw error;
	}
	await rm(directory, { recursive: true, force: true });
	return false;
}
