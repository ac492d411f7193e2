// A repository at one commit on this machine: what it has is listed once, files are downloaded when asked for, several
// at a time.
import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { createHubClient, type HubClient, type HubFile } from "./client.ts";
import { downloadBlob } from "./download.ts";
import { HubError, storageError } from "./errors.ts";
import type { HubReference } from "./reference.ts";
import { isCommit, RepositoryCache } from "./repository-cache.ts";
import type { HubContext } from "./request.ts";
import type { RepoKind } from "./settings.ts";

/** Files downloaded at the same time. */
const NUM_DOWNLOADS = 4;

/** How far a download is. */
export interface DownloadProgress {
	/** The file that got further. */
	readonly path: string;
	/** Bytes there, those of earlier tries included. */
	readonly bytesDone: number;
	readonly bytesTotal: number;
	readonly filesDone: number;
	readonly filesTotal: number;
}

/** Surroundings of a snapshot. */
export interface SnapshotContext extends HubContext {
	readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** A repository at one commit. */
export interface Snapshot {
	/** `<user>/<name>` */
	readonly repo: string;
	readonly commit: string;
	/** Branch, tag or commit that was looked up. */
	readonly revision: string;
	/** Folder with the files that were fetched. */
	readonly directory: string;
	/** Paths of all files of the commit; without a network, of those that are known. */
	readonly paths: readonly string[];
	/**
	 * Makes sure that these files are in `directory`.
	 * @throws HubError hub-*, "disk-full" or "write-failed"
	 */
	fetch(paths: readonly string[]): Promise<void>;
}

/** What to open. */
export interface SnapshotSource {
	readonly kind: RepoKind;
	readonly reference: HubReference;
	/** Revisions to look for when the reference names none; the first that exists is taken. */
	readonly defaultRevisions: readonly [string, ...string[]];
}

/**
 * Opens a snapshot. A commit that was listed before needs no request; a branch or tag is asked for every time, unless
 * the settings are offline.
 * @throws HubError hub-*, "write-failed"
 */
export async function openSnapshot(source: SnapshotSource, context: SnapshotContext): Promise<Snapshot> {
	const { kind, reference } = source;
	const { repo } = reference;
	const cache = new RepositoryCache(kind, repo, context.settings);
	const client = createHubClient(kind, repo, context);
	const { revision, commit } = context.settings.isOffline
		? await cachedCommit(source, cache)
		: await currentCommit(source, client);
	try {
		const files = await listFiles(commit, { cache, client, isOffline: context.settings.isOffline });
		await cache.writeRef(revision, commit);
		return new CachedSnapshot({ repo, commit, revision, files, cache, client, context });
	} catch (cause) {
		context.signal?.throwIfAborted();
		throw storageError(cause, cache.root);
	}
}

async function currentCommit(
	{ reference, defaultRevisions }: SnapshotSource,
	client: HubClient,
): Promise<{ revision: string; commit: string }> {
	const revision = reference.revision ?? (await firstRevision(defaultRevisions, client));
	return { revision, commit: isCommit(revision) ? revision : await client.commitOf(revision) };
}

async function firstRevision(
	[first, ...others]: readonly [string, ...string[]],
	client: HubClient,
): Promise<string> {
	if (others.length === 0) return first;
	const known = await client.revisions();
	return [first, ...others].find((name) => known.includes(name)) ?? others.at(-1) ?? first;
}

async function cachedCommit(
	{ reference: { repo, revision }, defaultRevisions }: SnapshotSource,
	cache: RepositoryCache,
): Promise<{ revision: string; commit: string }> {
	for (const name of revision === null ? defaultRevisions : [revision]) {
		const commit = await cache.readRef(name);
		if (commit !== undefined) return { revision: name, commit };
	}
	throw offline(`${repo}${revision === null ? "" : `@${revision}`} is not in the cache`, cache);
}

function offline(problem: string, { root }: RepositoryCache): HubError {
	const message = `${problem}, and HF_HUB_OFFLINE is set; unset it once to download`;
	return new HubError("hub-offline", message, { path: root });
}

/** The files of a commit; without hash and size where only the folder tells of them. */
async function listFiles(
	commit: string,
	{ cache, client, isOffline }: { cache: RepositoryCache; client: HubClient; isOffline: boolean },
): Promise<ReadonlyMap<string, HubFile | null>> {
	const known = await cache.readTree(commit);
	if (known === undefined && isOffline) {
		return new Map((await cache.listSnapshot(commit)).map((path) => [path, null]));
	}
	const files = known ?? (await client.filesOf(commit));
	if (known === undefined) await cache.writeTree(commit, files);
	return new Map(files.map((file) => [file.path, file]));
}

class CachedSnapshot implements Snapshot {
	readonly repo: string;
	readonly commit: string;
	readonly revision: string;
	readonly directory: string;
	readonly #files: ReadonlyMap<string, HubFile | null>;
	readonly #cache: RepositoryCache;
	readonly #client: HubClient;
	readonly #context: SnapshotContext;

	constructor(parts: {
		repo: string;
		commit: string;
		revision: string;
		files: ReadonlyMap<string, HubFile | null>;
		cache: RepositoryCache;
		client: HubClient;
		context: SnapshotContext;
	}) {
		this.repo = parts.repo;
		this.commit = parts.commit;
		this.revision = parts.revision;
		this.directory = parts.cache.snapshot(parts.commit);
		this.#files = parts.files;
		this.#cache = parts.cache;
		this.#client = parts.client;
		this.#context = parts.context;
	}

	get paths(): readonly string[] {
		return [...this.#files.keys()];
	}

	async fetch(paths: readonly string[]): Promise<void> {
		const missing: HubFile[] = [];
		for (const path of new Set(paths)) {
			if (await this.#cache.has(this.commit, path)) continue;
			const file = this.#files.get(path);
			if (this.#context.settings.isOffline) {
				throw offline(`${this.repo}@${this.commit} lacks ${path} in the cache`, this.#cache);
			}
			if (file === undefined || file === null) {
				throw new HubError(
					"hub-not-found",
					`${this.repo}@${this.commit} has no ${path}; its own files name it, so the repository is not complete`,
				);
			}
			missing.push(file);
		}
		try {
			await this.#requireSpace(missing);
			await this.#download(missing);
		} catch (cause) {
			this.#context.signal?.throwIfAborted();
			throw storageError(cause, this.#cache.root);
		}
	}

	async #requireSpace(files: readonly HubFile[]): Promise<void> {
		if (files.length === 0) return;
		const needed = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
		let folder = this.#cache.root;
		while (!existsSync(folder)) folder = dirname(folder);
		const { bavail, bsize } = await statfs(folder);
		const free = bavail * bsize;
		if (needed <= free) return;
		const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;
		const message =
			`${this.repo} needs ${megabytes(needed)} but only ${megabytes(free)} are free; free some space, choose ` +
			"another place with HF_HOME, or ask for fewer episodes or cameras";
		throw new HubError("disk-full", message, { path: folder });
	}

	/** The largest file last: what describes the others is there first. */
	async #download(missing: readonly HubFile[]): Promise<void> {
		const { onProgress } = this.#context;
		const queue = missing.toSorted((a, b) => a.sizeBytes - b.sizeBytes);
		const bytesTotal = queue.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
		let bytesDone = 0;
		let filesDone = 0;
		const stop = new AbortController();
		const { signal } = this.#context;
		const context = {
			...this.#context,
			signal: signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]),
		};
		const work = async (): Promise<void> => {
			for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
				const { path } = file;
				let own = 0;
				const report = (bytes: number): void => {
					bytesDone += bytes - own;
					own = bytes;
					onProgress?.({ path, bytesDone, bytesTotal, filesDone, filesTotal: missing.length });
				};
				const blobPath = this.#cache.blob(file);
				await downloadBlob(
					{ client: this.#client, commit: this.commit, file, blobPath, onBytes: report },
					context,
				);
				await this.#cache.link(this.commit, file);
				filesDone++;
				report(file.sizeBytes);
			}
		};
		const workers = Array.from({ length: Math.min(NUM_DOWNLOADS, queue.length) }, () =>
			work().catch((error: unknown) => {
				// The first failure stops the others; theirs is only that they were stopped.
				if (!stop.signal.aborted) stop.abort(error);
				throw error;
			}),
		);
		await Promise.allSettled(workers);
		if (stop.signal.aborted) throw stop.signal.reason;
	}
}

/** Which of a repository's files to have. */
export interface FileChoice {
	readonly wanted: RegExp;
	/** Files without which it is not what is looked for. */
	readonly needed: readonly string[];
}

/**
 * The directory of a model's snapshot with the wanted files.
 * @throws HubError as `openSnapshot`; "hub-not-found" when a needed file is not among them
 */
export async function fetchModel(
	reference: HubReference,
	{ wanted, needed }: FileChoice,
	context: SnapshotContext,
): Promise<string> {
	const snapshot = await openSnapshot({ kind: "model", reference, defaultRevisions: ["main"] }, context);
	const absent = needed.find((path) => !snapshot.paths.includes(path));
	if (absent !== undefined) {
		const place = `${reference.repo}@${snapshot.revision}`;
		if (context.settings.isOffline) {
			const message = `${place} lacks ${absent} in the cache, and HF_HUB_OFFLINE is set; unset it once to download`;
			throw new HubError("hub-offline", message, { path: snapshot.directory });
		}
		throw new HubError("hub-not-found", `${place} has no ${absent}; it is not what is looked for`);
	}
	await snapshot.fetch(snapshot.paths.filter((path) => wanted.test(path)));
	return snapshot.directory;
}
