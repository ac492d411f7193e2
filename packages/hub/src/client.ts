// Requests to the Hugging Face hub. Every failure is a HubError that says whether the name, the token, the network
// or the bytes are wrong.
import { createHash } from "node:crypto";
import { z } from "zod";
import { HubError } from "./errors.ts";
import type { HubSettings } from "./settings.ts";

/** A file of a repository at one commit. */
export interface HubFile {
	readonly path: string;
	readonly sizeBytes: number;
	/** SHA-256 of an LFS file's bytes, SHA-1 of a git blob otherwise; also its name in the cache. */
	readonly hash: string;
	readonly isLfs: boolean;
}

/** What can be asked about one repository. */
export interface HubClient {
	/** The commit that a branch, tag or commit names. @throws HubError hub-* */
	commitOf(revision: string): Promise<string>;
	/** Every file of a commit. @throws HubError hub-* */
	filesOf(commit: string): Promise<readonly HubFile[]>;
	/** A file's bytes; ends with an error unless size and hash are right. @throws HubError hub-* */
	download(commit: string, file: HubFile): AsyncGenerator<Uint8Array>;
}

const HASH = z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/);
const fileEntry = z.object({
	path: z.string(),
	size: z.int().nonnegative(),
	oid: HASH,
	lfs: z.object({ oid: HASH, size: z.int().nonnegative() }).optional(),
});
const modelEntry = z.object({ sha: HASH.length(40) });

/** Loaded when first needed: it takes a fifth of a second that commands on local checkpoints need not spend. */
function loadLibrary(): Promise<typeof import("@huggingface/hub")> {
	return import("@huggingface/hub");
}

function refusal(status: number, repo: string): HubError {
	if (status === 401 || status === 403) {
		const message =
			`the hub refuses ${repo} (${status}): the name is wrong, or the repository is private or gated and needs ` +
			"a token in HF_TOKEN or from `hf auth login`";
		return new HubError("hub-unauthorized", message);
	}
	if (status === 404) {
		return new HubError("hub-not-found", `the hub has no ${repo}; check the name and the revision`);
	}
	return new HubError("hub-unreachable", `the hub answers ${status} for ${repo}; try again later`);
}

function unreachable({ endpoint }: HubSettings, cause: unknown): HubError {
	const message = `${endpoint} cannot be reached or broke off; with HF_HUB_OFFLINE=1 a copy in the cache is used`;
	return new HubError("hub-unreachable", message, { cause });
}

/** Runs `work`; what is neither a HubError nor an interrupt becomes hub-unreachable. */
async function translate<T>(
	settings: HubSettings,
	signal: AbortSignal | undefined,
	work: () => Promise<T>,
): Promise<T> {
	try {
		return await work();
	} catch (error) {
		signal?.throwIfAborted();
		throw error instanceof HubError ? error : unreachable(settings, error);
	}
}

async function* verified(bytes: AsyncIterable<Uint8Array>, file: HubFile): AsyncGenerator<Uint8Array> {
	const digest = createHash(file.isLfs ? "sha256" : "sha1");
	if (!file.isLfs) digest.update(`blob ${file.sizeBytes}\0`); // git's blob id
	for await (const chunk of bytes) {
		digest.update(chunk);
		yield chunk;
	}
	if (digest.digest("hex") === file.hash) return;
	throw new HubError("hub-corrupt", `${file.path} arrived with other bytes than the hub lists; try again`, {
		path: file.path,
	});
}

async function* bodyOf(
	response: Response,
	settings: HubSettings,
	signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
	const reader = response.body?.getReader();
	if (reader === undefined) return;
	try {
		for (;;) {
			const { done, value } = await translate(settings, signal, () => reader.read());
			if (done) return;
			yield value;
		}
	} finally {
		reader.releaseLock();
	}
}

/** A client for the model repository `repo` (`<user>/<name>`). */
export function createHubClient(repo: string, settings: HubSettings, signal?: AbortSignal): HubClient {
	const { endpoint, token } = settings;
	// The library accepts only tokens that begin with hf_; the header is set here for any, and only towards the hub.
	const request: typeof fetch = async (input, init) => {
		const url = new URL(input instanceof Request ? input.url : input);
		const headers = new Headers(init?.headers);
		if (token !== undefined && url.origin === new URL(endpoint).origin) {
			headers.set("Authorization", `Bearer ${token}`);
		}
		const response = await fetch(url, { ...init, headers, ...(signal === undefined ? {} : { signal }) });
		if (!response.ok) throw refusal(response.status, repo);
		return response;
	};
	const place = { hubUrl: endpoint, fetch: request };
	return {
		commitOf: (revision) =>
			translate(settings, signal, async () => {
				const { modelInfo } = await loadLibrary();
				const info = await modelInfo({ name: repo, revision, additionalFields: ["sha"], ...place });
				return modelEntry.parse(info).sha;
			}),
		filesOf: (commit) =>
			translate(settings, signal, async () => {
				const { listFiles } = await loadLibrary();
				const files: HubFile[] = [];
				for await (const entry of listFiles({ repo, revision: commit, recursive: true, ...place })) {
					if (entry.type !== "file") continue;
					const { path, size, oid, lfs } = fileEntry.parse(entry);
					files.push({ path, sizeBytes: lfs?.size ?? size, hash: lfs?.oid ?? oid, isLfs: lfs !== undefined });
				}
				return files;
			}),
		async *download(commit, file) {
			const url = `${endpoint}/${repo}/resolve/${commit}/${file.path.split("/").map(encodeURIComponent).join("/")}`;
			const response = await translate(settings, signal, () => request(url));
			yield* verified(bodyOf(response, settings, signal), file);
		},
	};
}
