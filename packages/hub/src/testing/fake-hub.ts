// A Hugging Face hub on 127.0.0.1, as far as downloads need one, that can misbehave.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

/** How a fake hub misbehaves with files that end in `.safetensors`. */
export type HubFault = "none" | "wrong-hash" | "cut" | "broken";

/** A running hub. */
export interface FakeHub extends AsyncDisposable {
	readonly endpoint: string;
	/** The commit that every repository's `main` is at. */
	readonly commit: string;
	/** `METHOD path` of every request. */
	readonly requests: string[];
	/** Authorization headers seen. */
	readonly tokens: Set<string | undefined>;
	fault: HubFault;
	/** When set, requests without this token are refused. */
	requiredToken: string | undefined;
}

/** Files by path by repository. */
export type HubContent = Readonly<Record<string, Readonly<Record<string, Uint8Array>>>>;

function sha(algorithm: string, ...parts: (string | Uint8Array)[]): string {
	const digest = createHash(algorithm);
	for (const part of parts) digest.update(part);
	return digest.digest("hex");
}

function isLfs(path: string): boolean {
	return path.endsWith(".safetensors");
}

function entryOf(path: string, bytes: Uint8Array): unknown {
	const oid = sha("sha1", `blob ${bytes.length}\0`, bytes);
	const lfs = isLfs(path) ? { lfs: { oid: sha("sha256", bytes), size: bytes.length, pointerSize: 130 } } : {};
	return { type: "file", path, size: bytes.length, oid, ...lfs };
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
	response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function sendFile(response: ServerResponse, path: string, bytes: Uint8Array, fault: HubFault): void {
	if (!isLfs(path) || fault === "none") return void response.end(bytes);
	if (fault === "broken") return sendJson(response, 500, { error: "broken" });
	if (fault === "wrong-hash") {
		const other = Uint8Array.from(bytes);
		other[other.length - 1] = (other.at(-1) ?? 0) ^ 1;
		return void response.end(other);
	}
	response.writeHead(200, { "content-length": bytes.length });
	response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
}

function answer(hub: FakeHub, content: HubContent, request: IncomingMessage, response: ServerResponse): void {
	const { pathname } = new URL(request.url ?? "", hub.endpoint);
	hub.requests.push(`${request.method} ${pathname}`);
	hub.tokens.add(request.headers.authorization);
	if (hub.requiredToken !== undefined && request.headers.authorization !== `Bearer ${hub.requiredToken}`) {
		return sendJson(response, 401, { error: "Invalid username or password." });
	}
	const [, repo = "", verb, revision = "", path] =
		/^(?:\/api\/models)?\/([^/]+\/[^/]+)\/(revision|tree|resolve)\/([^/]+)(?:\/(.*))?$/.exec(pathname) ?? [];
	const files = content[repo];
	if (files === undefined || !["main", hub.commit].includes(revision)) {
		return sendJson(response, 404, { error: "Repository not found" });
	}
	if (verb === "revision") return sendJson(response, 200, { _id: "1", id: repo, sha: hub.commit });
	if (verb === "tree") {
		return sendJson(
			response,
			200,
			Object.entries(files).map(([name, bytes]) => entryOf(name, bytes)),
		);
	}
	const bytes = files[path ?? ""];
	if (bytes === undefined) return sendJson(response, 404, { error: "Entry not found" });
	sendFile(response, path ?? "", bytes, hub.fault);
}

async function listen(server: Server): Promise<number> {
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const address = server.address();
	if (address === null || typeof address === "string") throw new TypeError("fake hub: no port");
	return address.port;
}

/** Starts a hub with this content on a free port. */
export async function startFakeHub(content: HubContent): Promise<FakeHub> {
	const server = createServer((request, response) => answer(hub, content, request, response));
	const hub: FakeHub = {
		endpoint: `http://127.0.0.1:${await listen(server)}`,
		commit: "0123456789abcdef0123456789abcdef01234567",
		requests: [],
		tokens: new Set(),
		fault: "none",
		requiredToken: undefined,
		async [Symbol.asyncDispose]() {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
	return hub;
}
