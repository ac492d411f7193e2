// Recordings kept by what makes them, so that a second run records nothing. An entry appears by one rename, so it is
// whole or not there, whatever is killed and however many processes record at the same time.
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { join, relative } from "node:path";
import { isProcessAlive } from "@zk0/arrays/node";
import { z } from "zod";
import { codeOf } from "../exit-codes.ts";

/** Where recordings are kept: ZK0_CACHE_DIR, else the user's cache directory. */
export function cacheDirectory(env: Readonly<Record<string, string | undefined>>): string {
	const given = env["ZK0_CACHE_DIR"] ?? "";
	if (given !== "") return given;
	const cacheHome = env["XDG_CACHE_HOME"] ?? "";
	return join(cacheHome === "" ? join(homedir(), ".cache") : cacheHome, "zk0");
}

/** Asks for a recording. */
export interface RecordingRequest {
	readonly cacheDir: string;
	/** Everything that determines the recording, as one line of text. */
	readonly recipe: string;
	/** Records into the directory, which does not exist yet. */
	make(dir: string): Promise<void>;
}

/** A recording in the cache. */
export interface CachedRecording {
	/** The dataset's directory; read only. */
	readonly dir: string;
	/** False when it was there already. */
	readonly isNew: boolean;
}

const manifestSchema = z.object({
	recipe: z.string(),
	files: z.array(z.object({ path: z.string(), sizeBytes: z.int().nonnegative() })),
});

/** The recording of a recipe, made when it is not there or not whole. */
export async function cachedRecording(request: RecordingRequest): Promise<CachedRecording> {
	const { cacheDir, recipe } = request;
	const entry = join(cacheDir, "recordings", createHash("sha256").update(recipe).digest("hex").slice(0, 32));
	const dir = join(entry, "dataset");
	if (await isWhole(entry)) return { dir, isNew: false };
	await removeAbandoned(cacheDir);
	const temporary = join(cacheDir, "tmp", temporaryName());
	await mkdir(temporary, { recursive: true });
	try {
		await request.make(join(temporary, "dataset"));
		const files = await listFiles(join(temporary, "dataset"));
		await writeFile(
			join(temporary, "recording.json"),
			`${JSON.stringify({ recipe, files }, undefined, "\t")}\n`,
		);
		await publish(temporary, entry);
	} finally {
		await rm(temporary, { recursive: true, force: true });
	}
	return { dir, isNew: true };
}

/** Moves a finished entry to its place, unless another process was faster with a whole one. */
async function publish(temporary: string, entry: string): Promise<void> {
	await mkdir(join(entry, ".."), { recursive: true });
	for (;;) {
		try {
			await rename(temporary, entry);
			return;
		} catch (error) {
			if (codeOf(error) !== "ENOTEMPTY" && codeOf(error) !== "EEXIST") throw error;
		}
		if (await isWhole(entry)) return;
		const damaged = `${temporary}-damaged`;
		await rename(entry, damaged).catch((error: unknown) => {
			if (codeOf(error) !== "ENOENT") throw error;
		});
		await rm(damaged, { recursive: true, force: true });
	}
}

/** True when every file of the entry is there in its full size. */
async function isWhole(entry: string): Promise<boolean> {
	try {
		const manifest = manifestSchema.parse(JSON.parse(await readFile(join(entry, "recording.json"), "utf8")));
		for (const { path, sizeBytes } of manifest.files) {
			if ((await stat(join(entry, "dataset", path))).size !== sizeBytes) return false;
		}
		return true;
	} catch (error) {
		if (codeOf(error) === "ENOENT" || error instanceof SyntaxError || error instanceof z.ZodError)
			return false;
		throw error;
	}
}

async function listFiles(root: string): Promise<{ path: string; sizeBytes: number }[]> {
	const entries = await readdir(root, { recursive: true, withFileTypes: true });
	const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
	return Promise.all(
		paths.sort().map(async (path) => ({ path: relative(root, path), sizeBytes: (await stat(path)).size })),
	);
}

function temporaryName(): string {
	return `${hostname()}.${process.pid}.${randomBytes(4).toString("hex")}`;
}

/** Deletes what processes of this machine left behind when they were killed. */
async function removeAbandoned(cacheDir: string): Promise<void> {
	const names = await readdir(join(cacheDir, "tmp")).catch((error: unknown) => {
		if (codeOf(error) === "ENOENT") return [];
		throw error;
	});
	for (const name of names) {
		const owner = name.startsWith(`${hostname()}.`)
			? /^\d+/.exec(name.slice(hostname().length + 1))?.[0]
			: undefined;
		if (owner === undefined || isProcessAlive(Number(owner))) continue;
		await rm(join(cacheDir, "tmp", name), { recursive: true, force: true });
	}
}
