// Uploads a folder as one commit, with a tag on it. Large files go by the LFS protocol, in which what the hub has
// already is not sent again: a push that was interrupted continues where it was.
import { pathToFileURL } from "node:url";
import type { CommitProgressEvent } from "@huggingface/hub";
import { loadLibrary, translate } from "./client.ts";
import { HubError } from "./errors.ts";
import { createRequest, type HubContext } from "./request.ts";
import type { RepoKind } from "./settings.ts";

/** A file to upload. */
export interface PushFile {
	/** Path in the repository. */
	readonly path: string;
	/** File on this machine, or the content itself. */
	readonly from: { readonly file: string } | { readonly text: string };
}

/** What to upload. */
export interface Push {
	readonly kind: RepoKind;
	/** `<user>/<name>`; created when there is none. */
	readonly repo: string;
	readonly files: readonly PushFile[];
	/** Title of the commit. */
	readonly title: string;
	/** Who sees a repository that this creates; an existing one stays as it is. */
	readonly isPrivate: boolean;
	/** Tag to put on the commit, moved from wherever it was; null for none. */
	readonly tag: string | null;
}

/** Surroundings of an upload. */
export interface PushContext extends HubContext {
	/** Called when a file got further: hashing first, then uploading. */
	readonly onFile?: ((path: string, state: "hashing" | "uploading", fraction: number) => void) | undefined;
}

/** What was uploaded. */
export interface Pushed {
	readonly commit: string;
	/** Page of the repository. */
	readonly url: string;
	/** True when the repository is new. */
	readonly isNew: boolean;
}

/**
 * Uploads files.
 * @throws HubError "hub-offline", "hub-unauthorized" without a token that may write, other hub-*
 */
export async function pushFiles(push: Push, context: PushContext): Promise<Pushed> {
	const { kind, repo, files, title, tag } = push;
	const { endpoint, token, isOffline } = context.settings;
	if (isOffline) throw new HubError("hub-offline", "HF_HUB_OFFLINE is set; unset it to upload");
	if (token === undefined) {
		const message = "an upload needs a token that may write: put it in HF_TOKEN or run `hf auth login`";
		throw new HubError("hub-unauthorized", message);
	}
	const request = createRequest(`${kind} ${repo}`, context);
	return await translate(context, async () => {
		const isNew = await createRepository(push, request, endpoint);
		const { commitIter } = await loadLibrary();
		const progress = commitIter({
			repo: { type: kind, name: repo },
			title,
			operations: files.map(({ path, from }) => ({
				operation: "addOrUpdate" as const,
				path,
				content: "file" in from ? pathToFileURL(from.file) : new Blob([from.text]),
			})),
			hubUrl: endpoint,
			fetch: request,
			// The hub takes both; only this one is tried against a server here.
			useXet: false,
			...(context.signal === undefined ? {} : { abortSignal: context.signal }),
		});
		const commit = await drain(progress, context);
		if (tag !== null) await moveTag(`${endpoint}/api/${kind}s/${repo}/tag`, { tag, commit }, request);
		return { commit, url: `${endpoint}/${kind === "dataset" ? "datasets/" : ""}${repo}`, isNew };
	});
}

type Commit = AsyncGenerator<CommitProgressEvent, { commit: { oid: string } } | undefined>;

async function drain(events: Commit, { onFile }: PushContext): Promise<string> {
	for (;;) {
		const { done, value } = await events.next();
		if (done === true) {
			if (value === undefined) throw new HubError("hub-refused", "the hub made no commit; try again");
			return value.commit.oid;
		}
		if (value.event === "fileProgress" && value.state !== "error") {
			onFile?.(value.path, value.state, value.progress);
		}
	}
}

/** @returns true when it was not there */
async function createRepository(
	{ kind, repo, isPrivate }: Push,
	request: typeof fetch,
	endpoint: string,
): Promise<boolean> {
	const [organization, name] = repo.split("/");
	const visibility = isPrivate ? "private" : "public";
	try {
		await post(request, `${endpoint}/api/repos/create`, { type: kind, organization, name, visibility });
		return true;
	} catch (error) {
		if (error instanceof HubError && error.code === "hub-conflict") return false;
		throw error;
	}
}

async function moveTag(
	url: string,
	{ tag, commit }: { readonly tag: string; readonly commit: string },
	request: typeof fetch,
): Promise<void> {
	try {
		await request(`${url}/${encodeURIComponent(tag)}`, { method: "DELETE" });
	} catch (error) {
		if (!(error instanceof HubError && error.code === "hub-not-found")) throw error;
	}
	await post(request, `${url}/${commit}`, { tag });
}

async function post(request: typeof fetch, url: string, body: unknown): Promise<void> {
	const headers = { "Content-Type": "application/json" };
	const response = await request(url, { method: "POST", headers, body: JSON.stringify(body) });
	await response.body?.cancel();
}
