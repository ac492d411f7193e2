// One repository in the cache, in the layout of Python's huggingface_hub: `refs/<revision>` holds a commit,
// `snapshots/<commit>/<path>` links to `blobs/<hash>`, and `trees/<commit>.json` says what files a commit has (format 1
// of its _tree_cache.py), so that a commit whose files are there needs no request.

import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, stat, symlink } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { codeOf } from "@zk0/arrays";
import { writeFileAtomic } from "@zk0/arrays/node";
import { z } from "zod";
import { HASH, type HubFile, repoPath } from "./client.ts";
import type { HubSettings, RepoKind } from "./settings.ts";

const treeSchema = z.object({
	format_version: z.literal(1),
	files: z.record(
		repoPath,
		z.object({
			size: z.int().nonnegative(),
			blob_id: HASH,
			lfs_sha256: HASH.nullish(),
			lfs_size: z.int().nonnegative().nullish(),
			xet_hash: z.string().nullish(),
		}),
	),
});
const COMMIT = /^[0-9a-f]{40}$/;

/** True for a full commit id. */
export function isCommit(revision: string): boolean {
	return COMMIT.test(revision);
}

/** A repository's folder in the cache. */
export class RepositoryCache {
	readonly root: string;

	constructor(kind: RepoKind, repo: string, { cacheDirs }: HubSettings) {
		const folders = cacheDirs[kind].map((dir) => join(dir, `${kind}s--${repo.replace("/", "--")}`));
		this.root = folders.find((folder) => existsSync(folder)) ?? join(folders[0] ?? "");
	}

	/** Where a commit's files are. */
	snapshot(commit: string): string {
		return join(this.root, "snapshots", commit);
	}

	/** Where a file's bytes are. */
	blob(file: HubFile): string {
		return join(this.root, "blobs", file.hash);
	}

	/** The commit that a revision was when it was last asked for. */
	async readRef(revision: string): Promise<string | undefined> {
		if (isCommit(revision)) return revision;
		const text = await readOptional(join(this.root, "refs", revision));
		return text !== undefined && isCommit(text.trim()) ? text.trim() : undefined;
	}

	/** Remembers which commit a revision is. */
	async writeRef(revision: string, commit: string): Promise<void> {
		if (isCommit(revision) || (await this.readRef(revision)) === commit) return;
		await writeFileAtomic(join(this.root, "refs", revision), commit);
	}

	/** The files of a commit, if they were listed before. */
	async readTree(commit: string): Promise<readonly HubFile[] | undefined> {
		const text = await readOptional(this.#tree(commit));
		const tree = text === undefined ? undefined : treeSchema.safeParse(parseJson(text)).data;
		if (tree === undefined) return undefined;
		return Object.entries(tree.files).map(([path, entry]) => ({
			path,
			sizeBytes: entry.lfs_size ?? entry.size,
			hash: entry.lfs_sha256 ?? entry.blob_id,
			isLfs: typeof entry.lfs_sha256 === "string",
			gitOid: entry.blob_id,
			xetHash: entry.xet_hash ?? undefined,
		}));
	}

	/** Remembers the files of a commit. */
	async writeTree(commit: string, files: readonly HubFile[]): Promise<void> {
		const entries = files.map(({ path, sizeBytes, hash, isLfs, gitOid, xetHash }) => {
			const lfs = isLfs ? { lfs_sha256: hash, lfs_size: sizeBytes } : {};
			const xet = xetHash === undefined ? {} : { xet_hash: xetHash };
			return [path, { size: sizeBytes, blob_id: gitOid, ...lfs, ...xet }] as const;
		});
		const tree = { format_version: 1, files: Object.fromEntries(entries) };
		await writeFileAtomic(this.#tree(commit), JSON.stringify(tree, undefined, 1));
	}

	/** Paths of the files that are there, for a snapshot that Python's library brought. */
	async listSnapshot(commit: string): Promise<string[]> {
		const folder = this.snapshot(commit);
		const names = await readdir(folder, { recursive: true }).catch((error: unknown) => {
			if (codeOf(error) === "ENOENT") return [];
			throw error;
		});
		const found: string[] = [];
		for (const name of names) {
			const entry = await stat(join(folder, name)).catch(() => null); // a link to a blob that is gone
			if (entry?.isFile() === true) found.push(name.split(sep).join("/"));
		}
		return found;
	}

	/** True when a file of a commit can be read. */
	async has(commit: string, path: string): Promise<boolean> {
		const entry = await stat(join(this.snapshot(commit), path)).catch(() => null);
		return entry?.isFile() === true;
	}

	/** Puts a blob in its place of a snapshot. */
	async link(commit: string, file: HubFile): Promise<void> {
		const pointer = join(this.snapshot(commit), file.path);
		await mkdir(dirname(pointer), { recursive: true });
		try {
			await symlink(relative(dirname(pointer), this.blob(file)), pointer);
		} catch (error) {
			if (codeOf(error) !== "EEXIST") throw error; // another process was faster
		}
	}

	#tree(commit: string): string {
		return join(this.root, "trees", `${commit}.json`);
	}
}

async function readOptional(path: string): Promise<string | undefined> {
	try {
		return await readFile(path, "utf8");
	} catch (error) {
		if (codeOf(error) === "ENOENT") return undefined;
		throw error;
	}
}

/** A damaged listing is asked for again. */
function parseJson(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}
