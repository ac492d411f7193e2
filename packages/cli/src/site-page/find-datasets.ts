// Finds LeRobot datasets below a folder: their paths and what their info.json counts, and nothing else of any file. Only
// below the folders that the page was started for, also through links.
import { readdir, readFile, realpath } from "node:fs/promises";
import { basename, join, relative, resolve, sep } from "node:path";
import type { FoundDatasets } from "@zk0/dashboard/views";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";

/** Folders below the one that is looked into; datasets lie as <somewhere>/<user>/<name>. */
const MAX_DEPTH = 5;
/** Folders that are opened: a home directory has thousands. */
const MAX_FOLDERS = 4000;
const MAX_DATASETS = 300;
/** An info.json has a few kilobytes. */
const MAX_INFO_BYTES = 4_000_000;
const SKIPPED = new Set(["node_modules", "videos", "images"]);

const count = z.int().nonnegative().nullable().catch(null);
const infoSchema = z.object({
	total_episodes: count,
	total_frames: count,
	fps: z.number().nullable().catch(null),
	robot_type: z.string().nullable().catch(null),
});

/**
 * The datasets below `folder`, which must lie in one of `roots`; null: below all of the roots.
 * @throws CliError "bad-data-uri" for a folder elsewhere or none
 */
export async function findDatasets(
	folder: string | null,
	roots: readonly string[],
	signal: AbortSignal,
): Promise<FoundDatasets> {
	const starts: string[] = [];
	if (folder !== null) starts.push(await insideOf(resolve(roots[0] ?? "", folder), roots));
	else
		for (const root of roots) if ((await realPath(root)) !== null) starts.push(await insideOf(root, roots));
	const datasets: FoundDatasets["datasets"][number][] = [];
	let level = starts;
	let numOpened = 0;
	for (let depth = 0; depth <= MAX_DEPTH; depth++) {
		const next: string[] = [];
		for (const path of level) {
			signal.throwIfAborted();
			numOpened += 1;
			if (numOpened > MAX_FOLDERS || datasets.length >= MAX_DATASETS)
				return { folders: starts, isComplete: false, datasets };
			const names = await foldersIn(path);
			const info = names.includes("meta") ? await readInfo(path) : undefined;
			if (info === undefined) next.push(...names.filter(isLookedInto).map((name) => join(path, name)));
			else {
				const start = starts.find((one) => path.startsWith(withEnd(one)));
				const name = start === undefined ? basename(path) : relative(start, path);
				const { total_episodes: numEpisodes, total_frames: numFrames, fps, robot_type: robotType } = info;
				datasets.push({ path, name, numEpisodes, numFrames, fps, robotType });
			}
		}
		level = next;
	}
	return { folders: starts, isComplete: true, datasets };
}

/** The real path, which lies in one of the real roots. */
async function insideOf(path: string, roots: readonly string[]): Promise<string> {
	const real = await realPath(path);
	for (const root of roots) {
		const realRoot = await realPath(root);
		if (real !== null && realRoot !== null && (real === realRoot || real.startsWith(withEnd(realRoot))))
			return real;
	}
	// The same words whether it is there or not.
	throw new CliError("bad-data-uri", `no folder ${path} where this page may look`, {
		cure: `choose one in ${roots.join(" or ")}, or start the page with --folder <dir>`,
	});
}

/** The path without links; null: there is none. */
async function realPath(path: string): Promise<string | null> {
	return await realpath(path).catch((error: unknown) => {
		if (isAbsent(error)) return null;
		throw error;
	});
}

function withEnd(path: string): string {
	return path.endsWith(sep) ? path : path + sep;
}

function isAbsent(error: unknown): boolean {
	return /^(E(NOENT|NOTDIR|ACCES|LOOP|INVAL|NAMETOOLONG)|ERR_INVALID_ARG_VALUE)$/.test(codeOf(error) ?? "");
}

function isLookedInto(name: string): boolean {
	return !name.startsWith(".") && !SKIPPED.has(name);
}

/** Names of a folder's folders, sorted; none for one that may not be opened. Links are not followed. */
async function foldersIn(path: string): Promise<string[]> {
	try {
		const entries = await readdir(path, { withFileTypes: true });
		return entries
			.filter((entry) => entry.isDirectory())
			.map(({ name }) => name)
			.sort();
	} catch (error) {
		if (isAbsent(error) || codeOf(error) === "EPERM") return [];
		throw error;
	}
}

/** Undefined: not a dataset. */
async function readInfo(path: string): Promise<z.infer<typeof infoSchema> | undefined> {
	try {
		const text = await readFile(join(path, "meta", "info.json"), "utf8");
		if (text.length > MAX_INFO_BYTES) return undefined;
		return infoSchema.safeParse(JSON.parse(text)).data;
	} catch (error) {
		if (isAbsent(error) || error instanceof SyntaxError || codeOf(error) === "EISDIR") return undefined;
		throw error;
	}
}
