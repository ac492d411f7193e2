// What the dashboard reads: views of the event logs and run records, and the stream that keeps a page up to date.
import type { MemberView } from "@zk0/dashboard/views";
import { viewRound } from "@zk0/dashboard/views";
import { type Clock, type FederationServer, keyFingerprint, type MemberLog } from "@zk0/federation";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { HttpError } from "../http/http-error.ts";
import { json, type Route, route } from "../http/route.ts";
import type { Access } from "../network/access.ts";
import { siteStatuses } from "../network/server-status.ts";
import { auditPage, invitationsOf } from "./audit.ts";
import { streamLive } from "./live-stream.ts";
import { createCardMaker, listModels, modelFile } from "./models.ts";
import type { RunBook } from "./run-book.ts";

/** What the views are made from. */
export interface ViewSources {
	/** Folder of the runs. */
	readonly runs: string;
	/** Their views. */
	readonly book: RunBook;
	readonly members: MemberLog;
	readonly server: FederationServer;
	readonly access: Access;
	readonly clock: Clock;
	/** The document of `GET /api/status`. */
	readonly status: () => unknown;
}

const roundParam = z.coerce.number<string>().int().nonnegative();
const pageQuery = z.object({
	skip: z.coerce.number<string>().int().nonnegative().default(0),
	limit: z.coerce.number<string>().int().min(1).max(500).default(100),
});

/** The routes. */
export function viewRoutes(sources: ViewSources): readonly Route[] {
	const { runs, book, members, server, access, clock, status } = sources;
	const cardOf = createCardMaker(runs, book);
	return [
		route("GET", "/api/runs", "viewer", async () => json({ runs: await book.list() })),
		route("GET", "/api/runs/:run", "viewer", async ({ params }) => {
			const feed = await book.open(params["run"] ?? "").catch(notFound);
			return json({ numEvents: feed.numEvents, view: feed.view });
		}),
		route("GET", "/api/runs/:run/settings", "viewer", async ({ params }) => {
			const { runId, config, machine, initial } = await book.record(params["run"] ?? "").catch(notFound);
			const { threads, device, zk0, node, platform } = machine;
			const settings = { ...config, startedFrom: initial.from, modelSha256: initial.modelSha256 };
			return json({ runId, settings: { ...settings, threads, device, zk0, node, platform } });
		}),
		route("GET", "/api/runs/:run/rounds/:round", "viewer", async ({ params }) => {
			const feed = await book.open(params["run"] ?? "").catch(notFound);
			const round = roundParam.parse(params["round"]);
			return json(viewRound(round, await feed.eventsOfRound(round)));
		}),
		route("GET", "/api/runs/:run/sites/:site", "viewer", async ({ params }) => {
			const feed = await book.open(params["run"] ?? "").catch(notFound);
			const history = (await feed.sites()).get(params["site"] ?? "");
			if (history === undefined) throw new HttpError("not-found", "the run knows no such site");
			return json(history);
		}),
		route("GET", "/api/members", "viewer", async () =>
			json({
				members: memberViews(members, server, clock.now()),
				invitations: invitationsOf(members.events),
			}),
		),
		route("GET", "/api/audit", "viewer", async ({ query }) => {
			const page = pageQuery.parse(Object.fromEntries(query));
			return json(auditPage(members.events, access.events, page));
		}),
		route("GET", "/api/models", "viewer", async () => json({ models: await listModels(runs, book) })),
		route("GET", "/api/models/:run/:round/card", "viewer", async ({ params }) => {
			const text = await cardOf(params["run"] ?? "", roundParam.parse(params["round"])).catch(notFound);
			return { kind: "text", status: 200, type: "text/markdown; charset=utf-8", text };
		}),
		route("GET", "/api/models/:run/:round/:file", "viewer", async ({ params }) => {
			const round = roundParam.parse(params["round"]);
			const wanted = { runId: params["run"] ?? "", round, name: params["file"] ?? "" };
			const path = await modelFile(runs, book, wanted).catch(notFound);
			return { kind: "file", path, name: wanted.name };
		}),
		route("GET", "/api/stream", "viewer", async ({ query, lastEventId, signal }) => {
			const runId = query.get("run");
			const numSeen = z.coerce
				.number()
				.int()
				.nonnegative()
				.catch(0)
				.parse(lastEventId ?? query.get("seen"));
			const feed = runId === null ? null : await book.open(runId).catch(notFound);
			return {
				kind: "stream",
				messages: streamLive({ feed, numSeen, status, clock, signal }),
			};
		}),
	];
}

/** A run or model that is not there is a page that is not there. */
function notFound(error: unknown): never {
	const isMissing =
		error instanceof CliError && (error.code === "run-not-found" || error.code === "model-not-found");
	throw isMissing ? new HttpError("not-found", error.message) : error;
}

function memberViews(members: MemberLog, server: FederationServer, nowMs: number): MemberView[] {
	const details = new Map(server.sites().map(({ site, info }) => [site, info.details]));
	const registered = new Map(
		members.events.flatMap((event) =>
			event.kind === "member.registered" ? [[event.site, event] as const] : [],
		),
	);
	return siteStatuses({ members, server, nowMs, fingerprintOf: keyFingerprint }).map((status) => ({
		...status,
		registeredAt: registered.get(status.site)?.at ?? null,
		peer: registered.get(status.site)?.peer ?? null,
		details: details.get(status.site) ?? null,
	}));
}
