// Signing in and out of the dashboard, and the people who may.
import { z } from "zod";
import { json, type Route, route } from "../http/route.ts";
import { sessionRoutes } from "../http/session-routes.ts";
import type { Sessions } from "../http/sessions.ts";
import type { Access } from "./access.ts";

const userBody = z.object({ name: z.string(), role: z.enum(["viewer", "operator"]) });

/** The routes. */
export function accessRoutes(access: Access, sessions: Sessions): readonly Route[] {
	return [
		...sessionRoutes((secret, peer) => access.signIn(secret, peer), sessions),
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
