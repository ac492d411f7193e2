// How often a wrong secret may be tried: a few times a minute from one address, and somewhat more from all together.
import { HttpError } from "./http-error.ts";

const WINDOW_MS = 60_000;
const MAX_FAILURES_PER_PEER = 5;
const MAX_FAILURES = 50;

/** Failed attempts of the last minute. */
export interface Attempts {
	/** @throws HttpError too-many-attempts */
	check(peer: string): void;
	/** Counts a failure. */
	fail(peer: string): void;
}

/** No failures yet. */
export function countAttempts(now: () => number): Attempts {
	let failures: { readonly peer: string; readonly atMs: number }[] = [];
	return {
		check(peer) {
			const nowMs = now();
			failures = failures.filter(({ atMs }) => nowMs - atMs < WINDOW_MS);
			const own = failures.filter((failure) => failure.peer === peer);
			const [oldest] = failures.length >= MAX_FAILURES ? failures : own;
			if (own.length < MAX_FAILURES_PER_PEER && failures.length < MAX_FAILURES) return;
			const waitSeconds = Math.ceil((WINDOW_MS - (nowMs - (oldest?.atMs ?? nowMs))) / 1000);
			throw new HttpError("too-many-attempts", `too many attempts; wait ${waitSeconds} s`, {
				"retry-after": String(waitSeconds),
			});
		},
		fail(peer) {
			failures.push({ peer, atMs: now() });
		},
	};
}
