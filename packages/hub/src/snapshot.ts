// A repository's files in the Hugging Face cache, in the layout of Python's huggingface_hub: `refs/<revision>` holds a
// commit, `snapshots/<commit>/<path>` links to `blobs/<hash>`. A blob appears under its name only after its bytes were
// checked, and the weights come last.
import { mkdir, readFile, stat, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { writeFileAtomic, writePartsAtomic } from "@zk0/arrays/node";
import { createHubClient, type HubClient, type HubFile } from "./client.ts";
import { HubError } from "./errors.ts";
import type { HubReference } from "./reference.ts";
import type { HubSettings } from "./settings.ts";

/** Which of a repository's files to have. */
export interface SnapshotOptions {
	readonly settings: HubSettings;
	readonly wanted: RegExp;
	/** Files without which a snapshot in the cache is not complete. */
	readonly needed: readonly string[];
	readonly signal?: AbortSignal | undefined;
}

const DEFAULT_REVISION = "main";
const COMMIT = /^[0-9a-f]{40}$/;

function codeOf(error: unknown): unknown {
	return error instanceof Error && "code" in error ? error.code : undefined;
}

async function exists(path: string): Promise<boolean> {
	return stat(path).then(
		() => true,
		() => false,
	);
}

async function readRef(repoDir: string, revision: string): Promise<string | undefined> {
	if (COMMIT.test(revision)) return revision;
	try {
		return (await readFile(join(repoDir, "refs", revision), "utf8")).trim();
	} catch (error) {
		if (codeOf(error) === "ENOENT") return undefined;
		throw error;
	}
}

/** The snapshot in the cache, when the needed files are there. */
async function cachedSnapshot(
	repoDir: string,
	revision: string,
	needed: readonly string[],
): Promise<string | undefined> {
	const commit = await readRef(repoDir, revision);
	if (commit === undefined) return undefined;
	const directory = join(repoDir, "snapshots", commit);
	const found = await Promise.all(needed.map((path) => exists(join(directory, path))));
	return found.every(Boolean) ? directory : undefined;
}

interface Target {
	readonly repoDir: string;
	readonly commit: string;
	readonly client: HubClient;
}

async function storeFile(file: HubFile, { repoDir, commit, client }: Target): Promise<void> {
	const pointer = join(repoDir, "snapshots", commit, file.path);
	if (await exists(pointer)) return;
	const blob = join(repoDir, "blobs", file.hash);
	if (!(await exists(blob))) await writePartsAtomic(blob, client.download(commit, file));
	await mkdir(dirname(pointer), { recursive: true });
	try {
		await symlink(relative(dirname(pointer), blob), pointer);
	} catch (error) {
		if (codeOf(error) !== "EEXIST") throw error; // another process was faster
	}
}

/**
 * The directory of a snapshot, downloaded where the cache lacks it. A commit that is complete in the cache needs no
 * request; a branch or tag is asked for every time, unless the settings are offline.
 * @throws HubError hub-unauthorized | hub-not-found | hub-unreachable | hub-corrupt | hub-offline | write-failed
 */
export async function fetchSnapshot(
	{ repo, revision: named }: HubReference,
	{ settings, wanted, needed, signal }: SnapshotOptions,
): Promise<string> {
	const revision = named ?? DEFAULT_REVISION;
	const repoDir = join(settings.cacheDir, `models--${repo.replace("/", "--")}`);
	if (settings.isOffline || COMMIT.test(revision)) {
		const cached = await cachedSnapshot(repoDir, revision, needed);
		if (cached !== undefined) return cached;
	}
	if (settings.isOffline) {
		const message = `${repo}@${revision} is not complete in the cache and HF_HUB_OFFLINE is set; unset it once`;
		throw new HubError("hub-offline", message, { path: repoDir });
	}
	const client = createHubClient(repo, settings, signal);
	const commit = await client.commitOf(revision);
	const files = (await client.filesOf(commit)).filter(({ path }) => wanted.test(path));
	const absent = needed.find((path) => !files.some((file) => file.path === path));
	if (absent !== undefined) {
		throw new HubError("hub-not-found", `${repo}@${revision} has no ${absent}; it is not what is looked for`);
	}
	try {
		for (const file of files.toSorted((a, b) => a.sizeBytes - b.sizeBytes)) {
			await storeFile(file, { repoDir, commit, client });
		}
		if (revision !== commit) await writeFileAtomic(join(repoDir, "refs", revision), commit);
	} catch (cause) {
		signal?.throwIfAborted();
		if (cause instanceof HubError) throw cause;
		throw new HubError("write-failed", "the cache cannot be written; check its permissions and free space", {
			cause,
			path: repoDir,
		});
	}
	return join(repoDir, "snapshots", commit);
}
