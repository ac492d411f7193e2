// Alerts as HTTP POSTs to an address of the operator's choice: one JSON document each, in order, tried again when the other
// side fails. The address often holds a secret, so messages and errors name its host only.
import type { Clock } from "@zk0/federation";
import { z } from "zod";
import { MonitorError } from "../errors.ts";
import type { AlertChange } from "./alert.ts";

/** Pauses before the second and each later try. */
const RETRY_MS = [1000, 4000, 15_000, 60_000];
const TIMEOUT_MS = 10_000;
/** Messages that wait while the other side is away; the oldest are dropped beyond. */
const MAX_QUEUED = 200;

/** Sends alerts. */
export interface Webhook extends AsyncDisposable {
	/** Queues a message; its end is told to `onEnd`. */
	send(change: AlertChange): void;
}

/** What a webhook needs. */
export interface WebhookOptions {
	/** Where to now; null: nowhere, the message is dropped. Read for each message, so that it can be changed any time. */
	readonly urlOf: () => Promise<string | null>;
	/** Names the server in messages. */
	readonly server: string;
	readonly clock: Clock;
	/** Is told how each message ended; `error` names no secret. */
	readonly onEnd: (change: AlertChange, error: MonitorError | null) => void;
}

/** A webhook that sends one message after another. Disposal gives up what is queued. */
export function createWebhook({ urlOf, server, clock, onEnd }: WebhookOptions): Webhook {
	const queue: AlertChange[] = [];
	const closing = new AbortController();
	const { signal } = closing;
	let working: Promise<void> | null = null;
	const work = async (): Promise<void> => {
		for (let change = queue.shift(); change !== undefined && !signal.aborted; change = queue.shift()) {
			try {
				const url = await urlOf();
				if (url === null) continue;
				await deliver(url, messageOf(change, server), { clock, signal });
				onEnd(change, null);
			} catch (error) {
				if (!signal.aborted) onEnd(change, asMonitorError(error));
			}
		}
		working = null;
	};
	return {
		send(change) {
			if (signal.aborted) return;
			queue.push(change);
			const dropped = queue.length > MAX_QUEUED ? queue.shift() : undefined;
			if (dropped !== undefined)
				onEnd(dropped, new MonitorError("webhook-failed", "dropped: too many alerts wait to be sent"));
			working ??= work();
		},
		async [Symbol.asyncDispose]() {
			closing.abort();
			await working;
		},
	};
}

/** What is posted. `text` is what Slack, Mattermost and others show. */
export interface AlertMessage {
	readonly format: "zk0-alert-1";
	readonly text: string;
	readonly status: AlertChange["status"] | "test";
	readonly server: string;
	readonly rule: string;
	readonly subject: string;
	readonly severity: string;
	readonly message: string;
	readonly cure: string;
	readonly since: string;
	readonly at: string;
}

/** The message of a change. */
export function messageOf({ status, alert, atMs }: AlertChange, server: string): AlertMessage {
	const { rule, subject, severity, message, cure, sinceMs } = alert;
	const text =
		status === "firing"
			? `[zk0 ${severity}] ${message}. What to do: ${cure}`
			: `[zk0 resolved] ${rule}: ${subject}`;
	const [since, at] = [new Date(sinceMs).toISOString(), new Date(atMs).toISOString()];
	return { format: "zk0-alert-1", text, status, server, rule, subject, severity, message, cure, since, at };
}

/** A message that shows that a webhook works. */
export function testMessage(server: string, nowMs: number): AlertMessage {
	const at = new Date(nowMs).toISOString();
	return {
		format: "zk0-alert-1",
		text: `[zk0 test] alerts of ${server} arrive here`,
		status: "test",
		server,
		rule: "test",
		subject: server,
		severity: "warning",
		message: `alerts of ${server} arrive here`,
		cure: "nothing to do",
		since: at,
		at,
	};
}

/**
 * Posts a message, with retries when the other side fails or is away.
 * @throws MonitorError webhook-failed | bad-webhook; FederationError cancelled
 */
export async function deliver(
	url: string,
	message: AlertMessage,
	{ clock, signal, retryMs = RETRY_MS }: DeliverOptions,
): Promise<void> {
	const target = parseWebhook(url);
	for (let numTries = 0; ; numTries++) {
		const failure = await post(target, message, signal);
		if (failure === null) return;
		const pauseMs = retryMs[numTries];
		if (!failure.mayRetry || pauseMs === undefined) {
			const tries = numTries === 0 ? "" : ` after ${numTries + 1} tries`;
			throw new MonitorError("webhook-failed", `the webhook at ${target.host} ${failure.why}${tries}`);
		}
		await clock.sleep(pauseMs, { signal });
	}
}

/** How to deliver. */
export interface DeliverOptions {
	readonly clock: Clock;
	readonly signal: AbortSignal;
	/** @default 1, 4, 15 and 60 s */
	readonly retryMs?: readonly number[];
}

/** An address to post to. @throws MonitorError bad-webhook, without the address: it may hold a secret */
export function parseWebhook(url: string): URL {
	const parsed = z.url({ protocol: /^https?$/ }).safeParse(url);
	if (parsed.success) return new URL(parsed.data);
	throw new MonitorError("bad-webhook", "the webhook is not an http or https address");
}

async function post(
	target: URL,
	message: AlertMessage,
	signal: AbortSignal,
): Promise<{ readonly why: string; readonly mayRetry: boolean } | null> {
	// Not AbortSignal.timeout: Node 20 collects one that only AbortSignal.any refers to, and it never fires.
	const late = new AbortController();
	const timer = setTimeout(() => late.abort(), TIMEOUT_MS);
	try {
		const response = await fetch(target, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify(message),
			// A redirect could carry the message somewhere that the operator did not choose.
			redirect: "error",
			signal: AbortSignal.any([signal, late.signal]),
		});
		await response.body?.cancel();
		if (response.ok) return null;
		const { status } = response;
		return { why: `answered ${status}`, mayRetry: status >= 500 || status === 408 || status === 429 };
	} catch (error) {
		if (signal.aborted) throw error;
		return {
			why: late.signal.aborted ? `did not answer in ${TIMEOUT_MS / 1000} s` : "cannot be reached",
			mayRetry: true,
		};
	} finally {
		clearTimeout(timer);
	}
}

function asMonitorError(error: unknown): MonitorError {
	if (error instanceof MonitorError) return error;
	return new MonitorError("webhook-failed", "the alert could not be sent", { cause: error });
}
