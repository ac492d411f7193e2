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

/** The session of this browser; null: nobody is signed in. @throws ApiError */
export function readSession(): Promise<SessionView | null> {
	return read("/session", sessionViewSchema.nullable());
}

/** Signs in with a code or a token. @throws ApiError */
export function signIn(secret: string): Promise<SessionView> {
	return change("POST", "/session", { body: { secret }, csrfToken: null, schema: sessionViewSchema });
}

/** Ends the session. @throws ApiError */
export async function signOut({ csrfToken }: SessionView): Promise<void> {
	await change("DELETE", "/session", { csrfToken, schema: z.unknown() });
}
