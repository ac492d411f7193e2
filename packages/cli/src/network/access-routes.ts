// Signing in and out, and the people who may.
import { z } from "zod";
import { json, publicRoute, type Route, route } from "../http/route.ts";
import type { Session, Sessions } from "../http/sessions.ts";
import type { Access } from "./access.ts";

const secretBody = z.object({ secret: z.string().max(200) });
const userBody = z.object({ name: z.string(), role: z.enum(["viewer", "operator"]) });

/** The routes. */
export function accessRoutes(access: Access, sessions: Sessions): readonly Route[] {
	return [
		publicRoute("POST", "/api/session", async ({ body, peer, isEncrypted }) => {
			const principal = await access.signIn(secretBody.parse(body).secret, peer);
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
		route("POST", "/api/codes", "operator", async () => json(access.makeCode())),
		route("GET", "/api/users", "operator", async () => json({ users: access.users() })),
		route("POST", "/api/users", "operator", async ({ body }) => {
			const { name, role } = userBody.parse(body);
			return json({ name, role, token: await access.addUser(name, role) });
		}),
		route("DELETE", "/api/users/:name", "operator", async ({ params }) => {
			const name = params["name"] ?? "";
			await access.removeUser(name);
			sessions.closeAll(name);
			return json({});
		}),
	];
}

function describe({ principal, csrfToken, expiresAtMs }: Session) {
	return { ...principal, csrfToken, expiresAt: new Date(expiresAtMs).toISOString() };
}
