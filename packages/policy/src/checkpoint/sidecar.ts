// `zk0.json`: what LeRobot has no place for. A global (aggregated) checkpoint is marked here as not deployable.
import { join } from "node:path";
import { z } from "zod";
import { SIDECAR_FILE } from "./layout.ts";
import { parseFile, readOptionalJson } from "./read-json.ts";

/** "global": aggregated weights without statistics, for no robot; "bound": with one site's statistics. */
export type CheckpointKind = "global" | "bound";

const adapterNote = z.object({
	/** "B": only the second factor is trained. */
	trains: z.enum(["both", "B"]),
	base: z.object({ directory: z.string(), sha256: z.string() }),
});

/** What peft's files do not say of an adapter: which base exactly, where it was, and what is trained. */
export type AdapterNote = z.infer<typeof adapterNote>;

const sidecar = z.object({
	format: z.literal(1),
	kind: z.enum(["global", "bound"]),
	note: z.string(),
	adapter: adapterNote.optional(),
});

const NOTES: Readonly<Record<CheckpointKind, string>> = {
	global:
		"Weights without normalisation statistics: do not run on a dataset or robot. " +
		"Join them with a site's statistics first: zk0 model bind <checkpoint> <dataset>",
	bound: "Weights with one site's normalisation statistics and camera map.",
};

/** Content of the file. */
export function sidecarJson(kind: CheckpointKind, adapter?: AdapterNote): unknown {
	return { format: 1, kind, note: NOTES[kind], ...(adapter === undefined ? {} : { adapter }) };
}

async function readSidecar(directory: string): Promise<z.infer<typeof sidecar> | null> {
	const path = join(directory, SIDECAR_FILE);
	const json = await readOptionalJson(path);
	return json === undefined ? null : parseFile(sidecar, json, path);
}

/** The kind of a checkpoint directory, or null where someone else wrote it. @throws PolicyError bad-checkpoint */
export async function readKind(directory: string): Promise<CheckpointKind | null> {
	return (await readSidecar(directory))?.kind ?? null;
}

/** What we noted about an adapter; null for one by someone else. @throws PolicyError bad-checkpoint */
export async function readAdapterNote(directory: string): Promise<AdapterNote | null> {
	return (await readSidecar(directory))?.adapter ?? null;
}
