// One request to the hub: with the token where it belongs, tried again when that may help, and every refusal a
// HubError that says whether the name, the token, the network or the hub is at fault.
import { setTimeout as sleep } from "node:timers/promises";
import { HubError } from "./errors.ts";
import type { HubSettings } from "./settings.ts";

/** What every access to the hub needs. */
export interface HubContext {
	readonly settings: HubSettings;
	readonly signal?: AbortSignal | undefined;
	/** Waits between two tries. @default timers */
	readonly wait?: ((ms: number, signal: AbortSignal | undefined) => Promise<void>) | undefined;
}

/** Tries of one request, and of one file without a single new byte. */
export const MAX_TRIES = 5;
const FIRST_WAIT_MS = 300;
/** A hub that asks for more patience than this is reported instead. */
const MAX_WAIT_MS = 120_000;

/** Waits before try number `tries` (from 1), at least as long as the hub asked. */
export async function waitBeforeTry(tries: number, context: HubContext, askedMs = 0): Promise<void> {
	const ms = Math.max(FIRST_WAIT_MS * 2 ** (tries - 1), askedMs);
	const wait =
		context.wait ?? ((time, signal) => sleep(time, undefined, signal === undefined ? {} : { signal }));
	await wait(ms, context.signal);
	context.signal?.throwIfAborted();
}

/** The hub could not be asked, or stopped in the middle of its answer. */
export function unreachable({ endpoint }: HubSettings, cause: unknown): HubError {
	const message =
		`${endpoint} cannot be reached or broke off; check the network and HF_ENDPOINT and try again (what is ` +
		"downloaded is kept), or set HF_HUB_OFFLINE=1 to use a copy in the cache";
	return new HubError("hub-unreachable", message, { cause });
}

/** Milliseconds that a `Retry-After` header asks for; 0 without one. `nowMs` is the time of the answer. */
export function retryAfterMs(header: string | null, nowMs: number): number {
	if (header === null) return 0;
	const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs;
	return Number.isFinite(ms) ? Math.max(ms, 0) : 0;
}

/** What a refusal is called. `what` is the repository, or what else was asked for. */
function refusal(response: Response, what: string, hasToken: boolean): HubError {
	const { status, headers } = response;
	const code = headers.get("X-Error-Code");
	if (code === "GatedRepo") {
		const message = `${what} is gated: ask for access on its page, then use a token of that account in HF_TOKEN`;
		return new HubError("hub-gated", message);
	}
	if (status === 401 || status === 403) {
		const token = hasToken
			? "the token that is used may not read or write it, or has expired (HF_TOKEN, `hf auth whoami`)"
			: "it may be private: put a token in HF_TOKEN or run `hf auth login`";
		const message = `the hub refuses ${what} (${status}): the name is wrong, or ${token}`;
		return new HubError("hub-unauthorized", message);
	}
	if (status === 404) {
		return new HubError("hub-not-found", `the hub has no ${what}; check the name and the revision`);
	}
	if (status === 409 || status === 412) {
		return new HubError("hub-conflict", `${what} was changed by somebody else, or exists; try again`);
	}
	if (status === 429) {
		const message = `the hub answers 429 (too many requests) for ${what}; wait some minutes or use a token (HF_TOKEN)`;
		return new HubError("hub-rate-limited", message);
	}
	if (status >= 500) {
		return new HubError("hub-unreachable", `the hub answers ${status} for ${what}; try again later`);
	}
	const said = headers.get("X-Error-Message");
	return new HubError(
		"hub-refused",
		`the hub answers ${status} for ${what}${said === null ? "" : `: ${said}`}`,
	);
}

/** True when the same request may have another answer later; a POST is repeated only when it was not taken at all. */
function isWorthATry(status: number, method: string): boolean {
	if (status === 429 || status === 503) return true;
	return [408, 500, 502, 504].includes(status) && method !== "POST";
}

/** `fetch` that answers only with success. */
export type HubRequest = typeof fetch;

/**
 * Requests about `what`, e.g. a repository's name. The answer's headers are waited for `settings.timeoutMs`; its body
 * is the caller's.
 * @throws HubError hub-*
 */
export function createRequest(what: string, context: HubContext): HubRequest {
	const { settings, signal } = context;
	const hubOrigin = new URL(settings.endpoint).origin;
	return async (input, init) => {
		const url = new URL(input instanceof Request ? input.url : input);
		const headers = new Headers(init?.headers);
		// The library accepts only tokens that begin with hf_; the header is set here for any, and only towards the hub.
		if (settings.token !== undefined && url.origin === hubOrigin) {
			headers.set("Authorization", `Bearer ${settings.token}`);
		}
		const method = init?.method ?? "GET";
		for (let tries = 1; ; tries++) {
			signal?.throwIfAborted();
			let failure: HubError;
			let askedMs = 0;
			try {
				const response = await fetchHead(url, { ...init, headers }, context);
				if (response.ok) return response;
				failure = refusal(response, what, settings.token !== undefined);
				await response.body?.cancel();
				if (!isWorthATry(response.status, method)) throw failure;
				askedMs = retryAfterMs(response.headers.get("Retry-After"), Date.now());
			} catch (cause) {
				signal?.throwIfAborted();
				if (cause instanceof HubError) throw cause;
				failure = unreachable(settings, cause);
			}
			if (tries >= MAX_TRIES || askedMs > MAX_WAIT_MS) throw failure;
			await waitBeforeTry(tries, context, askedMs);
		}
	};
}

/** Slowest upload that is waited for, bytes per millisecond. */
const SLOWEST_UPLOAD = 20;

/** The answer to an upload comes after the last byte of it. */
function answerTimeMs(body: unknown, timeoutMs: number): number {
	const sizeBytes = body instanceof Blob ? body.size : typeof body === "string" ? body.length : 0;
	return timeoutMs + sizeBytes / SLOWEST_UPLOAD;
}

/** Fetches until the headers are there; gives up after the timeout. */
async function fetchHead(url: URL, init: RequestInit, { settings, signal }: HubContext): Promise<Response> {
	const late = new AbortController();
	const timeMs = answerTimeMs(init.body, settings.timeoutMs);
	const timer = setTimeout(
		() => late.abort(new DOMException(`no answer in ${timeMs} ms`, "TimeoutError")),
		timeMs,
	);
	const signals = [late.signal, signal, init.signal].filter((one) => one instanceof AbortSignal);
	try {
		return await fetch(url, { ...init, signal: AbortSignal.any(signals) });
	} finally {
		clearTimeout(timer);
	}
}
