// The server as a process: puts together members, Fleet API, runs and admin API, and serves until it is told to stop.
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import {
	createServer,
	type FederationServer,
	type MemberLog,
	openMemberLog,
	systemClock,
} from "@zk0/federation";
import { type GrpcServer, isLoopback, serveGrpc } from "@zk0/flower/node";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";
import { createReporter } from "../progress/reporter.ts";
import { withRunLock } from "../run-directory/run-lock.ts";
import { type AdminHandler, type AdminRoutes, serveAdmin } from "./admin-api.ts";
import { type ServerTrust, serverTrust } from "./authority.ts";
import { makePrivateFolder, type ServerHome } from "./home.ts";
import { formatInvitation } from "./invitation.ts";
import { readJsonFile, writePrivateJson } from "./private-file.ts";
import { openRunQueue, type RunQueue } from "./run-queue.ts";
import { statusOf } from "./server-status.ts";

/** Silence after which a site is offline; clients say something every 3 s. */
const OFFLINE_AFTER_MS = 10_000;
const INVITATION_DAYS = 7;
const DAY_MS = 24 * 3600 * 1000;

/** How a server is reached. */
export const serverSettingsSchema = z.object({
	/** Address to bind. */
	listen: z.string(),
	port: z.int(),
	/** Name or address that sites use; in the certificate. */
	address: z.string(),
	security: z.enum(["tls", "plaintext"]),
});

/** How a server is reached. */
export type ServerSettings = z.infer<typeof serverSettingsSchema>;

/** The settings of an earlier start with changes. @throws CliError "bad-config" for plaintext beyond this machine */
export async function resolveSettings(
	home: ServerHome,
	changes: Partial<ServerSettings>,
): Promise<ServerSettings> {
	const defaults: ServerSettings = { listen: "0.0.0.0", port: 9092, address: "localhost", security: "tls" };
	const settings = { ...defaults, ...(await readJsonFile(home.settings, serverSettingsSchema)), ...changes };
	if (settings.security === "plaintext" && !isLoopback(settings.listen))
		throw new CliError("bad-config", `plaintext on ${settings.listen} could be read by others`, {
			cure: "use --listen 127.0.0.1 with --plaintext, or leave --plaintext out",
		});
	return settings;
}

/** Serves until the host's signal aborts or the admin API says stop. */
export async function serveFederation(
	home: ServerHome,
	changes: Partial<ServerSettings>,
	{ host, output }: { readonly host: Host; readonly output: Output },
): Promise<void> {
	// Whatever this process writes is for its owner only.
	process.umask(0o077);
	await makePrivateFolder(home.dir);
	const settings = await resolveSettings(home, changes);
	await withRunLock(home.lock, async () => {
		const clock = systemClock();
		const stopping = new AbortController();
		const signal = AbortSignal.any([host.signal, stopping.signal]);
		const onFault = (error: unknown): void =>
			output.line(`fault: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
		const { listen, address } = settings;
		const trust =
			settings.security === "plaintext"
				? null
				: await serverTrust(home, [address, "localhost", "127.0.0.1"], clock.now());
		await using members = await openMemberLog(home.members, clock);
		await using server = createServer({ members, clock, offlineAfterMs: OFFLINE_AFTER_MS, onFault });
		await using listener = await serveGrpc(server.routes, {
			host: listen,
			port: settings.port,
			security: trust?.certificate ?? "plaintext",
		});
		await writePrivateJson(home.settings, { ...settings, port: listener.port });
		using reporter = createReporter({ stream: output.people, host, sites: [], rounds: 0 });
		await using queue = await openRunQueue({
			dir: home.runs,
			server,
			clock,
			host,
			reporter,
			signal,
			onFault,
		});
		const parts = { home, settings, members, server, listener, queue, trust, now: () => clock.now() };
		const token = randomBytes(32).toString("base64url");
		await using admin = await serveAdmin(adminRoutes(parts, stopping), token);
		const timer = renewDaily(parts, onFault);
		await writePrivateJson(home.admin, { pid: process.pid, port: admin.port, token });
		output.line(`serving at ${address}:${listener.port} (${settings.security}), state in ${home.dir}`);
		try {
			await new Promise<void>((resolve) => {
				if (signal.aborted) resolve();
				else signal.addEventListener("abort", () => resolve(), { once: true });
			});
		} finally {
			clearInterval(timer);
			await rm(home.admin, { force: true });
		}
		stopping.abort();
		output.line("stopping");
	});
}

interface Parts {
	readonly home: ServerHome;
	readonly settings: ServerSettings;
	readonly members: MemberLog;
	readonly server: FederationServer;
	readonly listener: GrpcServer;
	readonly queue: RunQueue;
	readonly trust: ServerTrust | null;
	readonly now: () => number;
}

const siteBody = z.object({ site: z.string() });
const inviteBody = z.object({ site: z.string().nullable() });

function adminRoutes(parts: Parts, stopping: AbortController): AdminRoutes {
	const { settings, members, server, listener, queue, trust, now } = parts;
	const { address, security } = settings;
	const routes: [string, AdminHandler][] = [
		[
			"GET /status",
			async () =>
				statusOf({ address: `${address}:${listener.port}`, security, members, server, queue, nowMs: now() }),
		],
		[
			"POST /invitations",
			async (body) => {
				const { site } = inviteBody.parse(body);
				const secret = randomBytes(24).toString("base64url");
				const expiresAtMs = now() + INVITATION_DAYS * DAY_MS;
				await members.invite(secret, { ...(site === null ? {} : { site }), expiresAtMs });
				const fingerprint = trust?.fingerprint ?? null;
				return {
					invitation: formatInvitation({ host: address, port: listener.port, site, secret, fingerprint }),
				};
			},
		],
		[
			"POST /members/approve",
			async (body) => {
				await members.approve(siteBody.parse(body).site);
				return {};
			},
		],
		[
			"POST /members/revoke",
			async (body) => {
				const { site } = siteBody.parse(body);
				await members.revoke(site);
				server.disconnect(site, "its key was revoked");
				return {};
			},
		],
		["POST /runs", async (body) => ({ runId: await queue.submit(body) })],
		[
			"POST /stop",
			async () => {
				setImmediate(() => stopping.abort());
				return {};
			},
		],
	];
	return new Map(routes);
}

/** Certificates are replaced while the server runs, long before they end. */
function renewDaily(
	{ home, settings, listener, now }: Parts,
	onFault: (error: unknown) => void,
): NodeJS.Timeout {
	const renew = async (): Promise<void> => {
		if (settings.security === "plaintext") return;
		const { certificate } = await serverTrust(home, [settings.address, "localhost", "127.0.0.1"], now());
		listener.replaceCertificate(certificate);
	};
	return setInterval(() => {
		renew().catch(onFault);
	}, DAY_MS).unref();
}
