// A Hugging Face hub on 127.0.0.1 that can refuse, lie, stall and break off, and takes uploads.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import {
	type FakeHub,
	type FakeRepository,
	type HubContent,
	type HubFault,
	isLfs,
	sendJson,
	sha,
} from "./fake-hub-parts.ts";
import { acceptUpload } from "./fake-upload.ts";

export type { FakeHub, HubContent, HubFault } from "./fake-hub-parts.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const PATH =
	/^(?:\/api)?\/(?:models\/)?((?:datasets\/)?[^/]+\/[^/]+?)(?:\.git)?\/(revision|tree|resolve|refs|preupload|commit|tag|info)(?:\/([^/]+))?(?:\/(.*))?$/;

interface Fault {
	readonly match: RegExp;
	readonly fault: HubFault;
	times: number;
}

interface Context {
	readonly hub: FakeHub;
	readonly cdn: string;
	faultOf(path: string): HubFault | undefined;
}

function entryOf(path: string, bytes: Uint8Array, fault: HubFault | undefined): unknown {
	const size = bytes.length + (fault === "huge" ? 1e12 : 0);
	const oid = sha("sha1", `blob ${bytes.length}\0`, bytes);
	const lfs = isLfs(path) ? { lfs: { oid: sha("sha256", bytes), size, pointerSize: 130 } } : {};
	return { type: "file", path, size, oid, ...lfs };
}

function sendFile(
	context: Context,
	{ request, response, bytes }: { request: IncomingMessage; response: ServerResponse; bytes: Uint8Array },
	fault: HubFault | undefined,
): void {
	const { hub } = context;
	const range = request.headers.range;
	hub.encodings.add(request.headers["accept-encoding"]?.toString());
	if (range !== undefined) hub.ranges.push(range);
	const from = fault === "whole" ? 0 : Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
	const body = Uint8Array.from(bytes.subarray(from));
	if (fault === "wrong-hash" && body.length > 0) body[body.length - 1] = (body.at(-1) ?? 0) ^ 1;
	const headers: Record<string, string | number> = { "content-length": body.length };
	if (from > 0) headers["content-range"] = `bytes ${from}-${bytes.length - 1}/${bytes.length}`;
	response.writeHead(from > 0 ? 206 : 200, headers);
	if (fault !== "cut" && fault !== "stall") {
		hub.bytesSent += body.length;
		return void response.end(body);
	}
	const half = body.subarray(0, body.length >> 1);
	hub.bytesSent += half.length;
	response.write(half, () => {
		// What is in the client's buffers when the connection ends is lost.
		if (fault === "cut") setTimeout(() => response.destroy(), 20);
	});
}

async function answer(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
	const { hub } = context;
	const url = new URL(request.url ?? "", hub.endpoint);
	const pathname = decodeURIComponent(url.pathname);
	hub.requests.push(`${request.method} ${pathname}`);
	hub.tokens.add(request.headers.authorization);
	const fault = context.faultOf(pathname);
	if (fault === "broken") return sendJson(response, 500, { error: "broken" });
	if (fault === "rate-limited")
		return sendJson(response, 429, { error: "slow down" }, { "retry-after": "7" });
	if (fault === "gated") {
		return sendJson(response, 403, { error: "gated" }, { "x-error-code": "GatedRepo" });
	}
	if (hub.requiredToken !== undefined && request.headers.authorization !== `Bearer ${hub.requiredToken}`) {
		return sendJson(response, 401, { error: "Invalid username or password." });
	}
	const [, repo = "", verb = "", revision = "", path = ""] = PATH.exec(pathname) ?? [];
	if (await acceptUpload(hub, { request, response, pathname, repo, verb, revision })) return;
	const repository = hub.repositories.get(repo);
	const commit = revision === "main" ? repository?.commit : (repository?.tags.get(revision) ?? revision);
	if (repository === undefined || (verb !== "refs" && commit !== repository.commit)) {
		return sendJson(response, 404, { error: "Repository not found" }, { "x-error-code": "RepoNotFound" });
	}
	if (verb === "revision") return sendJson(response, 200, { _id: "1", id: repo, sha: commit });
	if (verb === "refs") {
		const tags = [...repository.tags].map(([name, target]) => ({
			name,
			ref: `refs/tags/${name}`,
			targetCommit: target,
		}));
		const branches = [{ name: "main", ref: "refs/heads/main", targetCommit: repository.commit }];
		return sendJson(response, 200, { branches, tags, converts: [] });
	}
	if (verb === "tree") {
		const entries = Object.entries(repository.files).map(([name, bytes]) => entryOf(name, bytes, fault));
		return sendJson(response, 200, entries);
	}
	const bytes = repository.files[path];
	if (bytes === undefined) return sendJson(response, 404, { error: "Entry not found" });
	if (hub.redirects && isLfs(path)) {
		response.writeHead(302, { location: `${context.cdn}/${repo}/${path}` }).end();
		return;
	}
	sendFile(context, { request, response, bytes }, fault);
}

/** The other host: knows no tokens. */
function answerCdn(context: Context, request: IncomingMessage, response: ServerResponse): void {
	const { hub } = context;
	hub.cdnTokens.add(request.headers.authorization);
	const pathname = decodeURIComponent(request.url ?? "");
	const [, repo = "", path = ""] = /^\/((?:datasets\/)?[^/]+\/[^/]+)\/(.*)$/.exec(pathname) ?? [];
	const bytes = hub.repositories.get(repo)?.files[path] ?? new Uint8Array(0);
	sendFile(context, { request, response, bytes }, context.faultOf(pathname));
}

async function listen(server: Server): Promise<string> {
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const address = server.address();
	if (address === null || typeof address === "string") throw new TypeError("fake hub: no port");
	return `http://127.0.0.1:${address.port}`;
}

async function close(server: Server): Promise<void> {
	server.closeAllConnections();
	await new Promise((resolve) => server.close(resolve));
}

/** Starts a hub with this content on a free port. */
export async function startFakeHub(content: HubContent): Promise<FakeHub> {
	const faults: Fault[] = [];
	const faultOf = (path: string): HubFault | undefined => {
		const found = faults.find(({ match, times }) => times > 0 && match.test(path));
		if (found !== undefined) found.times--;
		return found?.fault;
	};
	const server = createServer((request, response) => {
		answer(context, request, response).catch((error: unknown) => response.destroy(error as Error));
	});
	const cdnServer = createServer((request, response) => answerCdn(context, request, response));
	const repositories = Object.entries(content).map(([name, files]): [string, FakeRepository] => [
		name,
		{ files: { ...files }, commit: COMMIT, tags: new Map(), isPrivate: false },
	]);
	const hub: FakeHub = {
		endpoint: await listen(server),
		commit: COMMIT,
		repositories: new Map(repositories),
		objects: new Map(),
		requests: [],
		tokens: new Set(),
		cdnTokens: new Set(),
		ranges: [],
		encodings: new Set(),
		bytesSent: 0,
		redirects: false,
		requiredToken: undefined,
		misbehave(match, fault, times = Number.POSITIVE_INFINITY) {
			faults.push({ match, fault, times });
		},
		reset() {
			faults.length = 0;
			hub.requests.length = 0;
			hub.ranges.length = 0;
			hub.bytesSent = 0;
			hub.tokens.clear();
			hub.cdnTokens.clear();
			hub.encodings.clear();
			hub.redirects = false;
			hub.requiredToken = undefined;
		},
		async [Symbol.asyncDispose]() {
			await close(server);
			await close(cdnServer);
		},
	};
	const context: Context = { hub, cdn: await listen(cdnServer), faultOf };
	return hub;
}
