// Watches HTTP/2 sessions: idle ones are closed, silent ones probed, ones that do not answer cut. One timer for all.
import type { Http2Session, ServerHttp2Session } from "node:http2";

/** What is watched for. */
export interface SessionWatchOptions {
	/** Sessions without calls are closed after this time. */
	readonly idleTimeoutMs: number;
	/** Time after which a session is probed. */
	readonly keepaliveMs: number;
	/** Is called at every look, with `performance.now()`. */
	readonly tick: (nowMs: number) => void;
}

/** The sessions of a server. */
export interface SessionWatch {
	add(session: ServerHttp2Session): void;
	/** Ends all sessions, after `graceMs` those with calls under way, too. */
	close(graceMs: number): Promise<void>;
}

interface Watched {
	numCalls: number;
	/** When its last call ended, or it began. */
	idleSinceMs: number;
	probedMs: number;
	isWaitingForAnswer: boolean;
}

/** A probe that is not answered in this time means a dead connection. */
const ANSWER_TIMEOUT_MS = 10_000;
/** Longest time between two looks. */
const MAX_INTERVAL_MS = 1000;

/** A watch over no sessions yet. */
export function createSessionWatch({ idleTimeoutMs, keepaliveMs, tick }: SessionWatchOptions): SessionWatch {
	const sessions = new Map<ServerHttp2Session, Watched>();
	const look = (): void => {
		const nowMs = performance.now();
		tick(nowMs);
		for (const [session, watched] of sessions) {
			if (watched.numCalls === 0 && nowMs - watched.idleSinceMs >= idleTimeoutMs) session.close();
			else if (watched.isWaitingForAnswer) {
				if (nowMs - watched.probedMs >= ANSWER_TIMEOUT_MS) session.destroy();
			} else if (nowMs - watched.probedMs >= keepaliveMs) probe(session, watched, nowMs);
		}
	};
	const interval = Math.min(MAX_INTERVAL_MS, keepaliveMs, idleTimeoutMs);
	const timer = setInterval(look, interval).unref();
	return {
		add(session) {
			const nowMs = performance.now();
			const watched: Watched = {
				numCalls: 0,
				idleSinceMs: nowMs,
				probedMs: nowMs,
				isWaitingForAnswer: false,
			};
			sessions.set(session, watched);
			session.on("stream", (stream) => {
				watched.numCalls++;
				stream.once("close", () => {
					watched.numCalls--;
					watched.idleSinceMs = performance.now();
				});
			});
			// What breaks a session closes it.
			session.on("error", () => undefined);
			session.once("close", () => sessions.delete(session));
		},
		async close(graceMs) {
			clearInterval(timer);
			const all = [...sessions.keys()];
			await Promise.race([Promise.all(all.map(closed)), pause(graceMs)]);
			for (const session of all) session.destroy();
		},
	};
}

function probe(session: ServerHttp2Session, watched: Watched, nowMs: number): void {
	watched.probedMs = nowMs;
	watched.isWaitingForAnswer = session.ping((error) => {
		watched.isWaitingForAnswer = false;
		if (error !== null) session.destroy();
	});
}

/** Sends that no more calls are taken, and resolves when the session is gone. */
function closed(session: Http2Session): Promise<void> {
	return new Promise((resolve) => {
		if (session.destroyed) return resolve();
		session.once("close", resolve);
		session.close();
	});
}

function pause(durationMs: number): Promise<void> {
	return new Promise((resolve) => {
		setTimeout(resolve, durationMs);
	});
}
