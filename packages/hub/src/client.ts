// What can be asked about one repository of the Hugging Face hub.
import { z } from "zod";
import { HubError } from "./errors.ts";
import { createRequest, type HubContext, type HubRequest, unreachable } from "./request.ts";
import type { RepoKind } from "./settings.ts";

/** An id in hexadecimal: SHA-1 or SHA-256. */
export const HASH = z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/);

/** A path inside a repository: relative, with no step upwards. */
export const repoPath: z.ZodType<string> = z
	.string()
	.max(1024)
	.refine(
		(path) => path.split("/").every((part) => !["", ".", ".."].includes(part)) && !/[\\\0]/.test(path),
		"not a path inside the repository",
	);

/** A file of a repository at one commit. */
export interface HubFile {
	readonly path: string;
	readonly sizeBytes: number;
	/** SHA-256 of an LFS file's bytes, SHA-1 of a git blob otherwise; also its name in the cache. */
	readonly hash: string;
	readonly isLfs: boolean;
	/** Git's id of the blob, for an LFS file that of its pointer. */
	readonly gitOid: string;
	/** The hub's own name for the content of a large file. */
	readonly xetHash: string | undefined;
}

const fileEntry = z.object({
	path: repoPath,
	size: z.int().nonnegative(),
	oid: HASH,
	lfs: z.object({ oid: HASH, size: z.int().nonnegative() }).optional(),
	xetHash: z.string().optional(),
});
const commitEntry = z.object({ sha: HASH.length(40) });
const refsEntry = z.object({
	branches: z.array(z.object({ name: z.string() })).default([]),
	tags: z.array(z.object({ name: z.string() })).default([]),
});

/** The bytes of a file from `offset` on. */
export interface FileBytes {
	/** What was asked for, or 0 from a server that cannot begin in the middle. */
	readonly offset: number;
	readonly body: ReadableStream<Uint8Array>;
}

/** Questions about one repository. Every method throws HubError hub-*. */
export interface HubClient {
	/** The commit that a branch, tag or commit names. */
	commitOf(revision: string): Promise<string>;
	/** Names of all branches and tags. */
	revisions(): Promise<readonly string[]>;
	/** Every file of a commit. */
	filesOf(commit: string): Promise<readonly HubFile[]>;
	/** Begins to download. */
	open(commit: string, file: HubFile, offset: number): Promise<FileBytes>;
}

/** Loaded when first needed: it takes a fifth of a second that commands on local data need not spend. */
export function loadLibrary(): Promise<typeof import("@huggingface/hub")> {
	return import("@huggingface/hub");
}

/** Runs `work`; what is neither a HubError nor an interrupt becomes hub-unreachable. */
export async function translate<T>({ settings, signal }: HubContext, work: () => Promise<T>): Promise<T> {
	try {
		return await work();
	} catch (error) {
		signal?.throwIfAborted();
		throw error instanceof HubError ? error : unreachable(settings, error);
	}
}

/** A client for the repository `repo` (`<user>/<name>`). */
export function createHubClient(kind: RepoKind, repo: string, context: HubContext): HubClient {
	const { endpoint } = context.settings;
	const request = createRequest(`${kind} ${repo}`, context);
	const place = { hubUrl: endpoint, fetch: request };
	const designation = { type: kind, name: repo } as const;
	const api = `${endpoint}/api/${kind}s/${repo}`;
	return {
		commitOf: (revision) =>
			translate(context, async () => {
				const response = await request(`${api}/revision/${encodeURIComponent(revision)}`);
				return commitEntry.parse(await response.json()).sha;
			}),
		revisions: () =>
			translate(context, async () => {
				const { branches, tags } = refsEntry.parse(await (await request(`${api}/refs`)).json());
				return [...branches, ...tags].map(({ name }) => name);
			}),
		filesOf: (commit) =>
			translate(context, async () => {
				const { listFiles } = await loadLibrary();
				const files: HubFile[] = [];
				for await (const entry of listFiles({
					repo: designation,
					revision: commit,
					recursive: true,
					...place,
				})) {
					if (entry.type !== "file") continue;
					const { path, size, oid, lfs, xetHash } = fileEntry.parse(entry);
					const hash = lfs?.oid ?? oid;
					const sizeBytes = lfs?.size ?? size;
					files.push({ path, sizeBytes, hash, isLfs: lfs !== undefined, gitOid: oid, xetHash });
				}
				return files;
			}),
		open: (commit, file, offset) =>
			translate(context, () => {
				const prefix = kind === "dataset" ? "datasets/" : "";
				const path = file.path.split("/").map(encodeURIComponent).join("/");
				return openBytes(request, `${endpoint}/${prefix}${repo}/resolve/${commit}/${path}`, offset);
			}),
	};
}

async function openBytes(request: HubRequest, url: string, offset: number): Promise<FileBytes> {
	// A part of a compressed answer would be no part of the file; with a range, `fetch` asks so by itself.
	const headers: Record<string, string> =
		offset === 0 ? { "Accept-Encoding": "identity" } : { Range: `bytes=${offset}-` };
	const response = await request(url, { headers });
	const [, from] = /^bytes (\d+)-/.exec(response.headers.get("Content-Range") ?? "") ?? [];
	const body = response.body ?? new Blob([]).stream();
	return { offset: response.status === 206 ? Number(from ?? Number.NaN) : 0, body };
}
