// The server as a process: puts together members, Fleet API, runs, admin API and dashboard, and serves until it is told
// to stop.
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { appDirectory } from "@zk0/dashboard/node";
import { createServer, openMemberLog, systemClock } from "@zk0/federation";
import { healthRoutes } from "@zk0/flower";
import { makeHeapRoom, serveGrpc } from "@zk0/flower/node";
import { logEvent } from "@zk0/monitor";
import { withRunLock } from "@zk0/records";
import { createRunBook } from "../dashboard/run-book.ts";
import { viewRoutes } from "../dashboard/view-routes.ts";
import type { Host } from "../host.ts";
import { isSameSecret } from "../http/guard.ts";
import { type HttpListener, type HttpSite, listenHttp } from "../http/listener.ts";
import { createSessions } from "../http/sessions.ts";
import { readStaticFiles } from "../http/static-files.ts";
import type { Output } from "../output.ts";
import { createReporter } from "../progress/reporter.ts";
import { COMMAND_LINE, openAccess } from "./access.ts";
import { accessRoutes } from "./access-routes.ts";
import { adminRoutes, type ServerParts, statusNow } from "./admin-routes.ts";
import { callLimits, listenerLimits } from "./apply-limits.ts";
import type { ServerTrust } from "./authority.ts";
import { boundLog } from "./bounded-log.ts";
import { type LogForm, openDaemonLog } from "./daemon-log.ts";
import { makePrivateFolder, type ServerHome } from "./home.ts";
import { openTraces } from "./open-traces.ts";
import { writePrivateJson } from "./private-file.ts";
import { openRunQueue } from "./run-queue.ts";
import { type LateParts, openServerMonitor } from "./server-monitor.ts";
import { resolveSettings, type ServerSettings } from "./server-settings.ts";
import { openTrustKeeper } from "./trust-keeper.ts";

/** Silence after which a site is offline; clients say something every 3 s. */
const OFFLINE_AFTER_MS = 10_000;

/** The surroundings of a server. */
export interface ServerContext {
	readonly host: Host;
	readonly output: Output;
	/** @default text on a terminal, JSON elsewhere */
	readonly logForm?: LogForm | undefined;
}

/** Serves until the host's signal aborts or the admin API says stop. */
export async function serveFederation(
	home: ServerHome,
	changes: Partial<ServerSettings>,
	{ host, output, logForm }: ServerContext,
): Promise<void> {
	// Whatever this process writes is for its owner only.
	process.umask(0o077);
	makeHeapRoom();
	await makePrivateFolder(home.dir);
	const settings = await resolveSettings(home, changes);
	const lock = { path: home.lock, what: "runs a server from this folder" };
	await withRunLock(lock, async () => {
		const clock = systemClock();
		const stopping = new AbortController();
		const signal = AbortSignal.any([host.signal, stopping.signal]);
		const { form, log, fault: onFault } = openDaemonLog("server", logForm, { host, output });
		using _ = boundLog(home.log, onFault);
		const { listen, address, allowFlowerNodes } = settings;
		using keeper = await openTrustKeeper({ home, settings, now: () => clock.now(), onFault });
		const { trust } = keeper;
		await using members = await openMemberLog(home.members, clock);
		const late: LateParts = {};
		await using server = createServer({
			members,
			clock,
			offlineAfterMs: OFFLINE_AFTER_MS,
			allowFlowerNodes,
			signal,
			limits: callLimits(settings.limits),
			onOffence: (offence) => {
				members.audit(offence).catch(onFault);
			},
			mayBegin: (run) => late.queue?.mayServe(run) !== false,
			announceTrust: (site, trusted) => keeper.announce(site, trusted),
			onFault,
		});
		await using watch = openServerMonitor({
			home,
			address,
			members,
			server,
			late,
			clock,
			host,
			log,
			onFault,
		});
		const { monitor } = watch;
		const isReady = (): boolean => !signal.aborted;
		const health = healthRoutes(isReady, ["flwr.proto.Fleet"]);
		const routes = new Map([...monitor.observeRoutes(server.routes), ...health]);
		await using listener = await serveGrpc(routes, {
			host: listen,
			port: settings.port,
			security: trust?.certificate ?? "plaintext",
			...listenerLimits(settings.limits),
		});
		late.numConnections = () => listener.numConnections;
		using reporter = createReporter({
			stream: form === "text" ? output.people : undefined,
			host,
			sites: [],
			rounds: 0,
		});
		await using traces = await openTraces("zk0-server", host, (message) => log("warn", message));
		await using queue = await openRunQueue({
			dir: home.runs,
			apps: home.apps,
			server,
			clock,
			host,
			reporter,
			traces,
			signal,
			onFault,
			maxRuns: settings.limits.runs ?? 1,
			onReplay: (runId, past) => monitor.replay(runId, past),
			onEvent(runId, event) {
				monitor.record(runId, event);
				if (form === "json") logEvent(log, runId, event);
			},
		});
		late.queue = queue;
		if (settings.standing !== null) await queue.submitOnce(settings.standing);
		const token = randomBytes(32).toString("base64url");
		const sessions = createSessions(() => clock.now());
		await using access = await openAccess(home.access, clock);
		const parts: ServerParts = {
			settings,
			members,
			server,
			listener,
			queue,
			keeper,
			now: () => clock.now(),
			stop: () => stopping.abort(),
			alerts: () => monitor.alerts(),
		};
		const book = createRunBook(home.runs);
		const site: HttpSite = {
			routes: [
				...accessRoutes(access, sessions),
				...adminRoutes(parts),
				...watch.routes(isReady),
				...viewRoutes({
					runs: home.runs,
					book,
					members,
					server,
					access,
					clock,
					status: () => statusNow(parts),
				}),
			],
			files: await readStaticFiles(appDirectory()),
			sessions,
			ofToken: (given) => (isSameSecret(given, token) ? COMMAND_LINE : access.ofToken(given)),
			onChange: (principal, change) => access.noteChange(principal, change),
			onFault,
		};
		const local = { host: "127.0.0.1", port: settings.adminPort, names: [], certificate: null };
		await using admin = await listenHttp(site, local);
		await using dashboard = await openDashboard(site, settings, trust);
		await writePrivateJson(home.settings, {
			...settings,
			port: listener.port,
			adminPort: admin.port,
			...(dashboard === null ? {} : { dashboard: { host: settings.dashboard?.host, port: dashboard.port } }),
		});
		// Every hour the audit is summed up, and the certificate replaced long before it ends or, the operator's own, when its
		// files changed; a new authority's is shown when its time has come.
		keeper.watch(async (found) => {
			await members.summarise();
			if (found === null) return;
			listener.replaceCertificate(found.certificate);
			dashboard?.replaceCertificate(found.certificate);
		});
		await writePrivateJson(home.admin, { pid: process.pid, port: admin.port, token });
		log("info", `serving at ${address}:${listener.port} (${settings.security}), state in ${home.dir}`);
		const keeping = book.keep({ clock, signal, onFault });
		try {
			await new Promise<void>((resolve) => {
				if (signal.aborted) resolve();
				else signal.addEventListener("abort", () => resolve(), { once: true });
			});
		} finally {
			await rm(home.admin, { force: true });
		}
		stopping.abort();
		await keeping;
		log("info", "stopping");
	});
}

/** The dashboard beyond this machine, where the settings ask for it. */
async function openDashboard(
	site: HttpSite,
	{ dashboard, address }: ServerSettings,
	trust: ServerTrust | null,
): Promise<HttpListener | null> {
	if (dashboard === null) return null;
	return await listenHttp(site, { ...dashboard, names: [address], certificate: trust?.certificate ?? null });
}
