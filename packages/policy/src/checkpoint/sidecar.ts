// `zk0.json`: what LeRobot has no place for. A global (aggregated) checkpoint is marked here as not deployable.
import { join } from "node:path";
import { z } from "zod";
import { SIDECAR_FILE } from "./layout.ts";
import { parseFile, readOptionalJson } from "./read-json.ts";

/** "global": aggregated weights without statistics, for no robot; "bound": with one site's statistics. */
export type CheckpointKind = "global" | "bound";

const sidecar = z.object({ format: z.literal(1), kind: z.enum(["global", "bound"]), note: z.string() });

const NOTES: Readonly<Record<CheckpointKind, string>> = {
	global:
		"Weights without normalisation statistics: do not run on a dataset or robot. " +
		"Join them with a site's statistics first: zk0 model bind <checkpoint> <dataset>",
	bound: "Weights with one site's normalisation statistics and camera map.",
};

/** Content of the file. */
export function sidecarJson(kind: CheckpointKind): unknown {
	return { format: 1, kind, note: NOTES[kind] };
}

/** The kind of a checkpoint directory, or null where someone else wrote it. @throws PolicyError bad-checkpoint */
export async function readKind(directory: string): Promise<CheckpointKind | null> {
	const path = join(directory, SIDECAR_FILE);
	const json = await readOptionalJson(path);
	return json === undefined ? null : parseFile(sidecar, json, path).kind;
}
