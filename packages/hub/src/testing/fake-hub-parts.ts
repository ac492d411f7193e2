// What the two halves of the fake hub share: its state, its faults, hashes and answers.
import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";

/** How a request is answered wrongly. */
export type HubFault =
	| "wrong-hash"
	/** Half of the bytes, then the connection ends. */
	| "cut"
	/** Half of the bytes, then silence. */
	| "stall"
	/** Ranges are ignored. */
	| "whole"
	/** Listed sizes are 1e12 bytes more. */
	| "huge"
	/** 500 */
	| "broken"
	/** 429 with `Retry-After: 7`. */
	| "rate-limited"
	/** 403 with `X-Error-Code: GatedRepo`. */
	| "gated";

/** One repository. */
export interface FakeRepository {
	/** Current files by path. */
	files: Record<string, Uint8Array>;
	commit: string;
	/** Tags and branches other than main, with their commits. */
	readonly tags: Map<string, string>;
	isPrivate: boolean;
}

/** A running hub. */
export interface FakeHub extends AsyncDisposable {
	readonly endpoint: string;
	/** The commit that every repository's `main` is at, as long as nothing is pushed. */
	readonly commit: string;
	/** By `<user>/<name>` for models and `datasets/<user>/<name>` for datasets. */
	readonly repositories: Map<string, FakeRepository>;
	/** LFS objects that were put, by SHA-256. */
	readonly objects: Map<string, Uint8Array>;
	/** `METHOD path` of every request. */
	readonly requests: string[];
	/** Authorization headers seen by the hub. */
	readonly tokens: Set<string | undefined>;
	/** Authorization headers seen by the host that files are redirected to. */
	readonly cdnTokens: Set<string | undefined>;
	/** `Range` headers seen. */
	readonly ranges: string[];
	/** `Accept-Encoding` headers of requests for files. */
	readonly encodings: Set<string | undefined>;
	/** Bytes of files that were sent. */
	bytesSent: number;
	/** When true, LFS files are at another host. */
	redirects: boolean;
	/** When set, requests without this token are refused. */
	requiredToken: string | undefined;
	/** The next `times` requests whose path matches are answered wrongly. */
	misbehave(match: RegExp, fault: HubFault, times?: number): void;
	/** Forgets faults, tokens, requests. */
	reset(): void;
}

/** Files by path by repository. */
export type HubContent = Readonly<Record<string, Readonly<Record<string, Uint8Array>>>>;

/** The hash of some bytes. */
export function sha(algorithm: "sha1" | "sha256", ...parts: (string | Uint8Array)[]): string {
	const digest = createHash(algorithm);
	for (const part of parts) digest.update(part);
	return digest.digest("hex");
}

/** True for files that the hub keeps as LFS objects. */
export function isLfs(path: string): boolean {
	return /\.(safetensors|parquet|mp4)$/.test(path);
}

/** Sends JSON. */
export function sendJson(
	response: ServerResponse,
	status: number,
	body: unknown,
	headers: Record<string, string> = {},
): void {
	response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}
