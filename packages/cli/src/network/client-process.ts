// The client as a process: serves the tasks of the federation that the site joined until stopped.
import { type ClientApp, type ClientEvent, runClient, systemClock } from "@zk0/federation";
import { makeHeapRoom } from "@zk0/flower/node";
import type { LogFields } from "@zk0/monitor/log";
import { traceClient } from "@zk0/monitor/traces";
import { withRunLock } from "@zk0/records";
import { CliError } from "../cli-error.ts";
import { boundLog } from "./bounded-log.ts";
import { openActivityLog } from "./client-activity.ts";
import { openDaemonLog } from "./daemon-log.ts";
import type { ClientHome } from "./home.ts";
import { hoursAt } from "./hours.ts";
import { openTraces } from "./open-traces.ts";
import { readJsonFile, writePrivateJson } from "./private-file.ts";
import { requireTrust } from "./server-connection.ts";
import { createSiteApp } from "./site-app.ts";
import {
	type ClientContext,
	type ClientSettings,
	clientSettingsSchema,
	openData,
	ownIdentity,
} from "./site-identity.ts";
import { openSiteTrust } from "./site-trust.ts";
import { type ClientWatch, serveSuperLink } from "./superlink-client.ts";

/** Limits of the site's own, as they are kept. */
export type OwnLimits = Partial<
	Pick<ClientSettings, "hours" | "accepts" | "clipNorm" | "maxMemory" | "threads">
>;

/** Serves tasks until the host's signal aborts. @throws CliError "not-joined"; FederationError */
export async function serveTasks(
	home: ClientHome,
	dataUri: string | undefined,
	context: ClientContext,
	changes: OwnLimits = {},
): Promise<void> {
	const { host, heartbeatMs = 3000 } = context;
	const kept = await readJsonFile(home.settings, clientSettingsSchema);
	const settings = kept === undefined ? undefined : { ...kept, ...changes };
	if (settings === undefined)
		throw new CliError("not-joined", `${home.dir} belongs to no federation yet`, {
			cure: "ask the server's operator for an invitation, then `zk0 client join <invitation> <dataset>`",
		});
	// Whatever this process writes is for its owner only.
	process.umask(0o077);
	makeHeapRoom();
	if (Object.keys(changes).length > 0) await writePrivateJson(home.settings, settings);
	const lock = { path: home.lock, what: "runs a client from this folder" };
	await withRunLock(lock, async () => {
		const { site, threads, device, camera } = settings;
		const { plan, dataset } = await openData(site, dataUri ?? settings.data, context);
		const badge = plan.uri === settings.data ? settings.doctor : null;
		const { log, fault } = openDaemonLog("client", context.logForm, context);
		using _ = boundLog(home.log, fault);
		const onNote = (text: string): void => log("info", text, { site });
		const machine = { threads, device, maxMemory: settings.maxMemory };
		await using app = createSiteApp({ home, plan, dataset, badge, camera, ...machine, host, onNote });
		const server = `${settings.host}:${settings.port}`;
		await using activity = await openActivityLog({
			path: home.activity,
			server,
			site,
			now: () => host.now(),
			onFault: (error) => log("warn", `cannot write ${home.activity}: ${String(error)}`),
		});
		let lastState = "";
		/** Status files are written one after another. */
		let writing: Promise<void> = Promise.resolve();
		const note = (state: string, about: LogFields = {}): void => {
			if (state === lastState) return;
			lastState = state;
			const at = new Date(host.now()).toISOString();
			log("info", state, { site, ...about });
			const status = { pid: process.pid, site, server, at, state };
			writing = writing
				.then(() => writePrivateJson(home.status, status))
				.catch((error: unknown) => log("warn", `cannot write ${home.status}: ${String(error)}`));
		};
		note("connecting");
		await using traces = await openTraces("zk0-client", host, (message) => log("warn", message));
		const trace = traces && traceClient(site, traces.emit, () => host.now());
		const onEvent = (event: ClientEvent): void => {
			activity.event(event);
			trace?.(event);
			if (event.kind !== "task-step") note(textOf(event), aboutOf(event));
		};
		const watch = { host, activity, onEvent, log, heartbeatMs };
		const watched = activity.observed(app);
		try {
			await (settings.superlink === null
				? serveServer(home, settings, watched, watch)
				: serveSuperLink(home, settings, watched, watch));
			note("stopped");
		} catch (error) {
			// Its owner asks the page or `zk0 client status`, and not the log, why it does not run.
			note(`ended: ${error instanceof Error ? error.message : String(error)}`);
			throw error;
		} finally {
			await writing;
		}
	});
}

/** Serves a zk0 server's tasks. */
async function serveServer(
	home: ClientHome,
	settings: ClientSettings,
	app: ClientApp,
	{
		host,
		activity,
		onEvent,
		log,
		heartbeatMs,
	}: ClientWatch & Pick<ReturnType<typeof openDaemonLog>, "log"> & { readonly heartbeatMs: number },
): Promise<void> {
	await requireTrust(settings);
	const way = openSiteTrust(settings, {
		onTraffic: (traffic) => activity.traffic(traffic),
		keep: async (authority) => {
			const kept = (await readJsonFile(home.settings, clientSettingsSchema)) ?? settings;
			// The site has meanwhile joined another server: from its next start on it is that one's.
			if (kept.host !== settings.host || kept.port !== settings.port) return;
			await writePrivateJson(home.settings, { ...kept, authority });
		},
		onChange: (message, isFailure) => log(isFailure ? "warn" : "info", message, { event: "authority" }),
	});
	await using transport = way.transport;
	await runClient({
		transport,
		identity: await ownIdentity(home),
		app,
		site: settings.site,
		dir: home.work,
		clock: systemClock(),
		signal: host.signal,
		onEvent,
		trust: way.store,
		limits: {
			accepts: settings.accepts,
			hoursAt: settings.hours === null ? null : hoursAt(settings.hours),
		},
		clipNorm: settings.clipNorm,
		heartbeatMs,
		retry: { attempts: Number.POSITIVE_INFINITY },
	});
}

/** Run and round of a task, which make its correlation id: the same as in the server's log. */
function aboutOf(event: ClientEvent): LogFields {
	if (event.kind !== "task") return { event: event.kind };
	const { kind, runId: run, round, phase } = event;
	return { event: kind, run, round, phase };
}

type TaskEnd = Extract<ClientEvent, { kind: "task-ended" }>["end"];

/** Where a result that came too late is, or why it is nowhere. */
function keptText(kept: Extract<TaskEnd, { kind: "refused" }>["kept"]): string {
	if (kept.kind === "kept") return `; the result is kept: ${kept.path}`;
	return kept.kind === "dropped" ? "" : `; the result could not be kept: ${kept.message}`;
}

function textOf(event: Exclude<ClientEvent, { kind: "task-step" }>): string {
	if (event.kind === "online") return "online, waiting for a task";
	if (event.kind === "paused") return `paused: ${event.message}`;
	if (event.kind === "pending") return `waiting for approval: ${event.message}`;
	if (event.kind === "retrying") return `trying to reach the server: ${event.message}`;
	if (event.kind === "task") return `${event.phase}, round ${event.round} of ${event.runId}`;
	const { end } = event;
	if (end.kind === "refused") return `refused: ${end.refusal.reason}${keptText(end.kept)}`;
	return end.kind === "withdrawn" ? "task withdrawn, waiting for the next" : "delivered, waiting for a task";
}
