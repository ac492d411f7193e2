// Signing in and out of pages, whoever may.
import { z } from "zod";
import { json, type Principal, publicRoute, type Route, route } from "./route.ts";
import type { Session, Sessions } from "./sessions.ts";

const secretBody = z.object({ secret: z.string().max(200) });

/** Who a secret belongs to. @throws HttpError unauthorised | too-many-attempts */
export type SignIn = (secret: string, peer: string) => Promise<Principal>;

/** The routes. */
export function sessionRoutes(signIn: SignIn, sessions: Sessions): readonly Route[] {
	return [
		publicRoute("POST", "/api/session", async ({ body, peer, isEncrypted }) => {
			const principal = await signIn(secretBody.parse(body).secret, peer);
			const { session, setCookie } = sessions.open(principal, isEncrypted);
			return json(describe(session), { headers: { "set-cookie": setCookie } });
		}),
		// Tells a browser about its own session only: nothing when it has none.
		publicRoute("GET", "/api/session", async ({ cookie }) => {
			const session = sessions.find(cookie ?? "");
			return json(session === undefined ? null : describe(session));
		}),
		route("DELETE", "/api/session", "viewer", async ({ cookie, isEncrypted }) =>
			json({}, { headers: { "set-cookie": sessions.close(cookie ?? "", isEncrypted) } }),
		),
	];
}

function describe({ principal, csrfToken, expiresAtMs }: Session) {
	return { ...principal, csrfToken, expiresAt: new Date(expiresAtMs).toISOString() };
}
