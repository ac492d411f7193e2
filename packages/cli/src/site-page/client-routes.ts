// The site's client on its page: how it is doing, live; starting, stopping and leaving.
import { rm } from "node:fs/promises";
import type { SitePageView } from "@zk0/dashboard/views";
import { json, type Route, route } from "../http/route.ts";
import { clientDaemon, startClient, stopClient } from "../network/client-daemon.ts";
import { runningPid } from "../network/daemon.ts";
import { viewClient } from "./client-view.ts";
import { streamPage } from "./page-stream.ts";
import type { SitePageParts } from "./routes.ts";

/** The routes. */
export function clientRoutes({ home, host, draft }: SitePageParts): readonly Route[] {
	const view = async (): Promise<SitePageView> => ({
		home: home.dir,
		client: await viewClient(home),
		join: draft.view(),
	});
	return [
		route("GET", "/api/site", "viewer", async () => json(await view())),
		route("GET", "/api/stream", "viewer", async ({ signal }) => ({
			kind: "stream",
			messages: streamPage(view, signal),
		})),
		route("POST", "/api/client/start", "operator", async () =>
			json({ pid: await startClient(home, {}, host.signal) }),
		),
		route("POST", "/api/client/stop", "operator", async () =>
			json({ pid: await stopClient(home, host.signal) }),
		),
		// The key stays: the name stays this site's, and an operator ends the membership.
		route("POST", "/api/client/leave", "operator", async () => {
			if ((await runningPid(clientDaemon(home))) !== undefined) await stopClient(home, host.signal);
			for (const path of [home.settings, home.status, home.activity]) await rm(path, { force: true });
			draft.forgetEntry();
			return json({});
		}),
	];
}
