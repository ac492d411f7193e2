// What an operator may do with a running server, over HTTP: the routes behind `zk0 server …`, `zk0 run` and the
// dashboard's buttons.

import { randomBytes } from "node:crypto";
import type { ServerStatus } from "@zk0/dashboard/status";
import { type FederationServer, isSiteName, keyFingerprint, type MemberLog } from "@zk0/federation";
import { readPublicKeyFile } from "@zk0/flower";
import type { GrpcServer } from "@zk0/flower/node";
import type { ActiveAlert } from "@zk0/monitor";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { json, type Route, route } from "../http/route.ts";
import { changesAtMs, rotationStatus, sitesToTell } from "./authority-rotation.ts";
import { formatInvitation, PLAINTEXT } from "./invitation.ts";
import type { RunQueue } from "./run-queue.ts";
import type { ServerSettings } from "./server-settings.ts";
import { statusOf } from "./server-status.ts";
import type { TrustKeeper } from "./trust-keeper.ts";

const INVITATION_DAYS = 7;
const DAY_MS = 24 * 3600 * 1000;

/** The parts of a running server. */
export interface ServerParts {
	readonly settings: ServerSettings;
	readonly members: MemberLog;
	readonly server: FederationServer;
	readonly listener: GrpcServer;
	readonly queue: RunQueue;
	readonly keeper: TrustKeeper;
	readonly now: () => number;
	/** Alerts that fire, oldest first. */
	readonly alerts: () => readonly ActiveAlert[];
	/** Stops the server. */
	readonly stop: () => void;
}

const siteBody = z.object({ site: z.string() });
const addBody = z.object({ site: z.string(), publicKey: z.string() });
const runBody = z.object({ runId: z.string() });
const rotateBody = z.object({ overlapMs: z.int().nonnegative().nullable() });
const inviteBody = z.object({ site: z.string().nullable() });

/** The federation's status at this moment. */
export function statusNow(parts: ServerParts): ServerStatus {
	const { settings, members, server, listener, queue, now, alerts } = parts;
	const address = `${settings.address}:${listener.port}`;
	const { security } = settings;
	return statusOf({
		address,
		security,
		members,
		server,
		queue,
		alerts: alerts(),
		nowMs: now(),
		fingerprintOf: keyFingerprint,
	});
}

/** The routes. */
export function adminRoutes(parts: ServerParts): readonly Route[] {
	const { settings, members, server, listener, queue, keeper, now, stop } = parts;
	const { address } = settings;
	return [
		route("GET", "/api/status", "viewer", async () => json(statusNow(parts))),
		route("POST", "/api/invitations", "operator", async ({ body }) => {
			const { site } = inviteBody.parse(body);
			if (site !== null && !isSiteName(site))
				throw new CliError("bad-flag", `"${site}" is no site name`, {
					cure: "use 1-63 letters, digits, '.', '_' or '-'",
				});
			const secret = randomBytes(24).toString("base64url");
			const { trust } = keeper;
			const rotation = trust?.rotation ?? null;
			// An invitation names the authority that signs now.
			const changesMs = rotation === null ? Number.POSITIVE_INFINITY : changesAtMs(rotation);
			const expiresAtMs = Math.min(now() + INVITATION_DAYS * DAY_MS, changesMs);
			await members.invite(secret, { ...(site === null ? {} : { site }), expiresAtMs });
			const { port } = listener;
			return json({
				invitation: formatInvitation({ host: address, port, site, secret, trust: trust?.pin ?? PLAINTEXT }),
			});
		}),
		route("POST", "/api/authority/rotate", "operator", async ({ body }) => {
			const { overlapMs } = rotateBody.parse(body);
			return json(rotationStatus(await keeper.rotate(overlapMs), sitesToTell(members.list())));
		}),
		route("POST", "/api/members/add", "operator", async ({ body }) => {
			const { site, publicKey } = addBody.parse(body);
			if (!settings.allowFlowerNodes)
				throw new CliError("server-refused", "this server takes zk0 nodes only", {
					cure: "start it with --allow-flower-nodes; their updates are not signed",
				});
			await members.addFlowerNode(site, readPublicKeyFile(publicKey));
			return json({});
		}),
		route("POST", "/api/members/approve", "operator", async ({ body }) => {
			await members.approve(siteBody.parse(body).site);
			return json({});
		}),
		route("POST", "/api/members/revoke", "operator", async ({ body }) => {
			const { site } = siteBody.parse(body);
			await members.revoke(site);
			server.disconnect(site, "its key was revoked");
			return json({});
		}),
		route("POST", "/api/runs", "operator", async ({ body }) => json({ runId: await queue.submit(body) })),
		route("POST", "/api/runs/stop", "operator", async ({ body }) => {
			await queue.stop(runBody.parse(body).runId);
			return json({});
		}),
		route("POST", "/api/runs/continue", "operator", async ({ body }) => {
			await queue.goOn(runBody.parse(body).runId);
			return json({});
		}),
		route("POST", "/api/stop", "operator", async () => {
			setImmediate(stop);
			return json({});
		}),
	];
}
