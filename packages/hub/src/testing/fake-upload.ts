// The part of the fake hub that takes uploads: create, preupload, LFS batch, PUT, commit, tag.
import type { IncomingMessage, ServerResponse } from "node:http";
import { type FakeHub, isLfs, sendJson, sha } from "./fake-hub-parts.ts";

/** A request, taken apart. */
export interface UploadRequest {
	readonly request: IncomingMessage;
	readonly response: ServerResponse;
	readonly pathname: string;
	readonly repo: string;
	readonly verb: string;
	readonly revision: string;
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
	const parts: Uint8Array[] = [];
	for await (const part of request) parts.push(part);
	return Buffer.concat(parts);
}

async function jsonOf(request: IncomingMessage): Promise<Record<string, never>> {
	return JSON.parse(Buffer.from(await bodyOf(request)).toString()) as Record<string, never>;
}

/** Answers an upload's request; false for any other. */
export async function acceptUpload(hub: FakeHub, upload: UploadRequest): Promise<boolean> {
	const { request, response, pathname, repo, verb, revision } = upload;
	const method = request.method ?? "GET";
	if (method === "PUT" && pathname.startsWith("/lfs/")) {
		const bytes = await bodyOf(request);
		hub.objects.set(sha("sha256", bytes), bytes);
		response.writeHead(200).end();
		return true;
	}
	if (method !== "POST" && method !== "DELETE") return false;
	if (pathname === "/api/repos/create") {
		const { name, organization, type, visibility } = await jsonOf(request);
		const id = `${type === "dataset" ? "datasets/" : ""}${organization}/${name}`;
		if (hub.repositories.has(id)) {
			sendJson(response, 409, { error: "You already created this repo" });
			return true;
		}
		const isPrivate = visibility === "private";
		hub.repositories.set(id, { files: {}, commit: hub.commit, tags: new Map(), isPrivate });
		sendJson(response, 200, { url: `${hub.endpoint}/${id}`, id });
		return true;
	}
	const repository = hub.repositories.get(repo);
	if (repository === undefined) return false;
	if (verb === "preupload") {
		const { files } = (await jsonOf(request)) as unknown as { files: { path: string }[] };
		const modes = files.map(({ path }) => ({ path, uploadMode: isLfs(path) ? "lfs" : "regular" }));
		sendJson(response, 200, { files: modes });
		return true;
	}
	if (verb === "info") {
		const batch = (await jsonOf(request)) as unknown as { objects: { oid: string; size: number }[] };
		const answers = batch.objects.map((object) =>
			hub.objects.has(object.oid)
				? object
				: { ...object, actions: { upload: { href: `${hub.endpoint}/lfs/${object.oid}` } } },
		);
		sendJson(response, 200, { transfer: "basic", objects: answers });
		return true;
	}
	if (verb === "commit") {
		const lines = Buffer.from(await bodyOf(request))
			.toString()
			.split("\n");
		for (const line of lines) {
			const { key, value } = JSON.parse(line) as { key: string; value: Record<string, string> };
			const path = value["path"] ?? "";
			if (key === "file") repository.files[path] = Buffer.from(value["content"] ?? "", "base64");
			if (key === "lfsFile")
				repository.files[path] = hub.objects.get(value["oid"] ?? "") ?? new Uint8Array(0);
			if (key === "deletedFile") delete repository.files[path];
		}
		const names = Object.keys(repository.files).sort();
		repository.commit = sha("sha1", ...names.flatMap((name) => [name, repository.files[name] ?? ""]));
		sendJson(response, 200, { commitOid: repository.commit, commitUrl: "", success: true });
		return true;
	}
	if (verb === "tag" && method === "DELETE") {
		const isKnown = repository.tags.delete(revision);
		sendJson(response, isKnown ? 200 : 404, {});
		return true;
	}
	if (verb === "tag") {
		const { tag } = (await jsonOf(request)) as unknown as { tag: string };
		if (repository.tags.has(tag)) sendJson(response, 409, { error: "Tag exists" });
		else {
			repository.tags.set(tag, repository.commit);
			sendJson(response, 200, {});
		}
		return true;
	}
	return false;
}
