// A backup: a tar file with a server's state and a manifest of every file's SHA-256, so that a restore knows that it has
// everything, unchanged. It holds the private keys of the authority and is written for its owner only.
import { createWriteStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { sha256File } from "@zk0/arrays/node";
import { readMembers, verifyEventLog } from "@zk0/federation";
import { create, extract } from "tar";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";
import type { ServerHome } from "../network/home.ts";
import { takeSnapshot } from "./snapshot.ts";

const MANIFEST = "zk0-backup.json";
/** Folders of backups that are being made, below the state folder. */
const WORK = "backup-";
/** No backup takes longer. */
const ABANDONED_MS = 24 * 60 * 60_000;

const manifestSchema = z.object({
	format: z.literal("zk0-backup-1"),
	version: z.string(),
	at: z.iso.datetime(),
	files: z.array(z.object({ path: z.string(), sizeBytes: z.int(), sha256: z.string() })),
});

/** What is in a backup. */
export interface BackupSummary {
	readonly numFiles: number;
	readonly sizeBytes: number;
	readonly runs: readonly string[];
	/** When it was made; ISO 8601. */
	readonly at: string;
	/** Version of zk0 that made it. */
	readonly version: string;
}

/** How a backup is made. */
export interface BackupOptions {
	readonly version: string;
	readonly nowMs: number;
	readonly signal: AbortSignal;
}

/**
 * Writes the state of a server, which may be running, to `file`; an earlier file of that name is replaced at the end.
 * @throws CliError "state-damaged" | "not-running" when there is no state
 */
export async function writeBackup(
	home: ServerHome,
	file: string,
	{ version, nowMs, signal }: BackupOptions,
): Promise<BackupSummary> {
	if (!existsSync(home.members))
		throw new CliError("not-running", `${home.dir} holds no server`, {
			cure: "name its folder with --state",
		});
	await dropAbandoned(home.dir, nowMs);
	const work = await mkdtemp(join(home.dir, WORK));
	const partial = `${file}.part`;
	try {
		await takeSnapshot(home.dir, work);
		const files = await describeFiles(work, signal);
		const at = new Date(nowMs).toISOString();
		await writeFile(join(work, MANIFEST), JSON.stringify({ format: "zk0-backup-1", version, at, files }));
		await pipeline(
			create({ cwd: work, portable: true }, [MANIFEST, ...files.map(({ path }) => path)]),
			createWriteStream(partial, { mode: 0o600 }),
			{ signal },
		);
		await syncFile(partial);
		await rename(partial, file);
		return summaryOf({ version, at, files });
	} finally {
		await rm(partial, { force: true });
		await rm(work, { recursive: true, force: true });
	}
}

/**
 * Restores a backup into `dir`, which must not exist or be empty. Nothing is there until everything was checked.
 * @throws CliError "target-exists" | "state-damaged"; FederationError log-tampered
 */
export async function restoreBackup(file: string, dir: string, signal: AbortSignal): Promise<BackupSummary> {
	if ((await namesBelow(dir)).length > 0)
		throw new CliError("target-exists", `${dir} is not empty`, {
			cure: "restore into another folder with --state, or move this one away",
		});
	await mkdir(dirname(dir), { recursive: true });
	const work = await mkdtemp(`${dir}.restore-`);
	try {
		await extract({
			file: resolve(file),
			cwd: work,
			strict: true,
			// Links and devices are in no backup.
			filter: (_, entry) => "type" in entry && (entry.type === "File" || entry.type === "Directory"),
		});
		const summary = await checkRestored(work, file, signal);
		await rm(join(work, MANIFEST));
		await rm(dir, { recursive: true, force: true });
		await rename(work, dir);
		return summary;
	} catch (error) {
		if (error instanceof CliError || signal.aborted || (codeOf(error) ?? "").startsWith("E")) throw error;
		throw damaged(file, error instanceof Error ? error.message : String(error), error);
	} finally {
		await rm(work, { recursive: true, force: true });
	}
}

async function checkRestored(work: string, file: string, signal: AbortSignal): Promise<BackupSummary> {
	const text = await readFile(join(work, MANIFEST), "utf8").catch((cause: unknown) => {
		throw damaged(file, "it is no backup of a zk0 server, or it is cut off", cause);
	});
	const manifest = manifestSchema.parse(JSON.parse(text));
	const found = new Map((await describeFiles(work, signal)).map((entry) => [entry.path, entry]));
	found.delete(MANIFEST);
	for (const { path, sizeBytes, sha256 } of manifest.files) {
		const entry = found.get(path);
		if (entry === undefined) throw damaged(file, `${path} is missing`);
		if (entry.sizeBytes !== sizeBytes || entry.sha256 !== sha256)
			throw damaged(file, `${path} is not what was saved`);
		found.delete(path);
	}
	const [extra] = found.keys();
	if (extra !== undefined) throw damaged(file, `${extra} is not in its manifest`);
	for (const { path } of manifest.files) {
		if (path === "members.jsonl") await readMembers(join(work, path));
		if (path.endsWith("/events.jsonl")) await verifyEventLog(join(work, path));
	}
	return summaryOf(manifest);
}

/** Every file below a folder with size and hash, sorted by path with `/`. */
async function describeFiles(
	folder: string,
	signal: AbortSignal,
): Promise<{ path: string; sizeBytes: number; sha256: string }[]> {
	const files: { path: string; sizeBytes: number; sha256: string }[] = [];
	for (const path of await namesBelow(folder)) {
		signal.throwIfAborted();
		const found = await stat(path);
		if (!found.isFile()) continue;
		const name = relative(folder, path).split(sep).join("/");
		files.push({ path: name, sizeBytes: found.size, sha256: await sha256File(path) });
	}
	return files;
}

/** Paths of everything below a folder, sorted; none when it is not there. */
async function namesBelow(folder: string): Promise<string[]> {
	try {
		return (await readdir(folder, { recursive: true })).map((name) => join(folder, name)).sort();
	} catch (error) {
		if (codeOf(error) === "ENOENT") return [];
		throw error;
	}
}

/** Deletes what backups that were cut off left: its links keep on the disk what the server has deleted since. */
async function dropAbandoned(dir: string, nowMs: number): Promise<void> {
	for (const name of await readdir(dir)) {
		if (!name.startsWith(WORK)) continue;
		const path = join(dir, name);
		if (nowMs - (await stat(path)).mtimeMs > ABANDONED_MS) await rm(path, { recursive: true, force: true });
	}
}

async function syncFile(path: string): Promise<void> {
	await using file = await open(path, "r+");
	await file.sync();
}

function summaryOf({ version, at, files }: Omit<z.infer<typeof manifestSchema>, "format">): BackupSummary {
	const runs = files.flatMap(({ path }) => /^runs\/([^/]+)\/config\.json$/.exec(path)?.[1] ?? []);
	const sizeBytes = files.reduce((total, file) => total + file.sizeBytes, 0);
	return { numFiles: files.length, sizeBytes, runs, at, version };
}

function damaged(file: string, why: string, cause?: unknown): CliError {
	return new CliError("state-damaged", `${file}: ${why}`, { cure: "take another backup", cause });
}
