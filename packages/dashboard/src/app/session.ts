// Who the reader is.
import { type SessionView, sessionViewSchema } from "@zk0/dashboard/views";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { z } from "zod";
import { change, read } from "./api.ts";

/** The session; the pages are only drawn with one. */
export const SessionContext = createContext<SessionView>({ name: "", role: "viewer", csrfToken: null });

/** The session. */
export function useSession(): SessionView {
	return useContext(SessionContext);
}

/** What to call when the session has ended. */
export const SignedOutContext = createContext<() => void>(() => undefined);

/** What to call when the session has ended: the page asks to sign in. The same function for as long as the page is open. */
export function useSignedOut(): () => void {
	return useContext(SignedOutContext);
}

/** The session of this browser; null: nobody is signed in. @throws ApiError */
export function readSession(signal?: AbortSignal): Promise<SessionView | null> {
	return read("/session", sessionViewSchema.nullable(), signal);
}

/** Signs in with a code or a token. @throws ApiError */
export function signIn(secret: string): Promise<SessionView> {
	return change("POST", "/session", { body: { secret }, csrfToken: null, schema: sessionViewSchema });
}

/** Ends the session that this browser has, also when it was opened by another tab. @throws ApiError */
export async function signOut(): Promise<void> {
	const session = await readSession();
	if (session === null) return;
	await change("DELETE", "/session", { csrfToken: session.csrfToken, schema: z.unknown() });
}
