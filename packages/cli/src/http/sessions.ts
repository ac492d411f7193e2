// Browser sessions: a cookie that scripts cannot read, for twelve hours, in this process's memory only. A restart of the
// server ends them all.
import { createHash, randomBytes } from "node:crypto";
import { isSameSecret } from "./guard.ts";
import type { Principal } from "./route.ts";

const SESSION_HOURS = 12;
/** Oldest sessions make room. */
const MAX_SESSIONS = 1000;

/** A browser that somebody signed in with. */
export interface Session {
	readonly principal: Principal;
	/** Must come back in the header `x-csrf-token` of every change. */
	readonly csrfToken: string;
	readonly expiresAtMs: number;
}

/** The sessions of a server. */
export interface Sessions {
	/** @returns the session and the `set-cookie` header that opens it in the browser */
	open(principal: Principal, isEncrypted: boolean): { readonly session: Session; readonly setCookie: string };
	/** The session of a cookie's value. */
	find(cookie: string): Session | undefined;
	/** Ends one session. @returns the header that removes the cookie */
	close(cookie: string, isEncrypted: boolean): string;
	/** Ends all sessions of a person. */
	closeAll(name: string): void;
	/** The session cookie's value in a `cookie` header. */
	cookieIn(header: string | undefined): string | null;
}

/**
 * No sessions yet. A cookie belongs to a host and not to a port: servers that may run on one machine side by side name
 * theirs differently.
 */
export function createSessions(now: () => number, cookieName = "zk0_session"): Sessions {
	/** By hash, so that a dump of the memory holds no usable cookie. */
	const sessions = new Map<string, Session>();
	return {
		open(principal, isEncrypted) {
			const cookie = secret();
			const expiresAtMs = now() + SESSION_HOURS * 3_600_000;
			const session = { principal, csrfToken: secret(), expiresAtMs };
			const [oldest] = sessions.size >= MAX_SESSIONS ? sessions.keys() : [];
			if (oldest !== undefined) sessions.delete(oldest);
			sessions.set(hashOf(cookie), session);
			const value = `${cookieName}=${cookie}`;
			return { session, setCookie: setCookie(value, SESSION_HOURS * 3600, isEncrypted) };
		},
		find(cookie) {
			const key = hashOf(cookie);
			const session = sessions.get(key);
			if (session === undefined || session.expiresAtMs > now()) return session;
			sessions.delete(key);
			return undefined;
		},
		close(cookie, isEncrypted) {
			sessions.delete(hashOf(cookie));
			return setCookie(`${cookieName}=`, 0, isEncrypted);
		},
		closeAll(name) {
			for (const [key, { principal }] of sessions) if (principal.name === name) sessions.delete(key);
		},
		cookieIn(header) {
			for (const part of (header ?? "").split(";")) {
				const [name, value] = part.trim().split("=", 2);
				if (name === cookieName && value !== undefined) return value;
			}
			return null;
		},
	};
}

/** True when a change that came with a cookie also came with the session's token. */
export function hasCsrfToken(session: Session, given: string | string[] | undefined): boolean {
	return typeof given === "string" && isSameSecret(given, session.csrfToken);
}

function setCookie(pair: string, maxAgeSeconds: number, isEncrypted: boolean): string {
	const secure = isEncrypted ? "; Secure" : "";
	return `${pair}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAgeSeconds}${secure}`;
}

function secret(): string {
	return randomBytes(32).toString("base64url");
}

function hashOf(cookie: string): string {
	return createHash("sha256").update(cookie).digest("base64url");
}
