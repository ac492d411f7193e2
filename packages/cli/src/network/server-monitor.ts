// What the server knows about itself: the monitor over its members, runs and machine, alerts to the log and to the operator's
// webhook, and the routes that show it.
import { X509Certificate } from "node:crypto";
import { statfs } from "node:fs/promises";
import type { Clock, FederationServer, MemberLog } from "@zk0/federation";
import {
	type AlertChange,
	createWebhook,
	deliver,
	type Log,
	type MachineView,
	METRICS_CONTENT_TYPE,
	type Monitor,
	MonitorError,
	parseWebhook,
	startMonitor,
	testMessage,
} from "@zk0/monitor";
import { z } from "zod";
import type { Host } from "../host.ts";
import { json, publicRoute, type Route, route } from "../http/route.ts";
import { VERSION } from "../version.ts";
import { changesAtMs, readRotation, rotationStatus, sitesToTell } from "./authority-rotation.ts";
import { makePrivateFolder, type ServerHome } from "./home.ts";
import { readIfThere, readJsonFile, writePrivateJson } from "./private-file.ts";
import type { RunQueue } from "./run-queue.ts";

/** Kept apart from the settings: the address often holds a secret. */
const alertSettingsSchema = z.object({ webhook: z.string().nullable() });

/** What is served later than the monitor begins. */
export interface LateParts {
	queue?: RunQueue;
	numConnections?: () => number;
}

/** What the monitor of a server is made of. */
export interface ServerMonitorOptions {
	readonly home: ServerHome;
	/** Names the server in messages. */
	readonly address: string;
	readonly members: MemberLog;
	readonly server: FederationServer;
	readonly late: LateParts;
	readonly clock: Clock;
	readonly host: Host;
	readonly log: Log;
	readonly onFault: (error: unknown) => void;
}

/** A server's monitor with its webhook. */
export interface ServerMonitor extends AsyncDisposable {
	readonly monitor: Monitor;
	/** Metrics, health and alerts. `isReady` is whether the server takes work. */
	routes(isReady: () => boolean): readonly Route[];
}

/** Starts watching. */
export function openServerMonitor(options: ServerMonitorOptions): ServerMonitor {
	const { home, address, members, server, late, clock, host, log, onFault } = options;
	const urlOf = (): Promise<string | null> => webhookOf(home, host);
	const webhook = createWebhook({
		urlOf,
		server: address,
		clock,
		onEnd: (change, error) => {
			monitor.delivered(error === null ? "delivered" : "failed");
			if (error !== null)
				log("warn", `${error.message}: ${change.alert.message}`, { event: "webhook.failed" });
		},
	});
	const monitor: Monitor = startMonitor({
		clock,
		monotonicMs: () => performance.now(),
		version: VERSION,
		nodes: () => {
			const online = new Map(server.sites().map(({ site, info }) => [site, info]));
			return members.list().map(({ site, state }) => ({
				site,
				state,
				isOnline: online.has(site),
				lastSeenMs: server.lastSeenMs(site),
				numSamples: online.get(site)?.numSamples ?? null,
			}));
		},
		machine: () => machineOf(home, late, members),
		runs: () => {
			const counts: Record<string, number> = {};
			for (const { state } of late.queue?.list() ?? []) counts[state] = (counts[state] ?? 0) + 1;
			return counts;
		},
		onAlert: (change) => {
			logAlert(log, change);
			webhook.send(change);
		},
		onFault,
	});
	const test = async (): Promise<string> => {
		const url = await urlOf();
		if (url === null)
			throw new MonitorError("bad-webhook", "no webhook is set: zk0 server alerts --webhook <url>");
		await deliver(url, testMessage(address, clock.now()), {
			clock,
			signal: host.signal,
			retryMs: [],
		});
		return parseWebhook(url).host;
	};
	return {
		monitor,
		routes: (isReady) => [
			publicRoute("GET", "/healthz", async () => plain(200, "ok")),
			publicRoute("GET", "/readyz", async () => (isReady() ? plain(200, "ok") : plain(503, "not ready"))),
			route("GET", "/metrics", "viewer", async () => ({
				...plain(200, await monitor.metricsText()),
				type: METRICS_CONTENT_TYPE,
			})),
			route("GET", "/api/alerts", "viewer", async () => json(await alertsDocument(monitor, urlOf))),
			route("POST", "/api/alerts/test", "operator", async () => json({ host: await test() })),
		],
		async [Symbol.asyncDispose]() {
			await monitor[Symbol.asyncDispose]();
			await webhook[Symbol.asyncDispose]();
		},
	};
}

/** Where alerts go: `ZK0_ALERT_WEBHOOK` before the state folder's file; null: nowhere. */
async function webhookOf(home: ServerHome, host: Host): Promise<string | null> {
	const fromEnv = host.env["ZK0_ALERT_WEBHOOK"] ?? "";
	if (fromEnv !== "") return fromEnv;
	return (await readJsonFile(home.alerts, alertSettingsSchema))?.webhook ?? null;
}

/** Keeps where alerts go; null: nowhere. @throws MonitorError bad-webhook */
export async function setWebhook(home: ServerHome, url: string | null): Promise<void> {
	if (url !== null) parseWebhook(url);
	// Alerts may be set up before the server's first start.
	await makePrivateFolder(home.dir);
	await writePrivateJson(home.alerts, { webhook: url });
}

async function machineOf(
	home: ServerHome,
	{ numConnections }: LateParts,
	members: MemberLog,
): Promise<MachineView> {
	const [disk, certificate] = await Promise.all([statfs(home.dir), readIfThere(home.certificate)]);
	const authority = await authorityOf(home, members);
	return {
		disk: { freeBytes: disk.bavail * disk.bsize, totalBytes: disk.blocks * disk.bsize },
		certificateEndsMs:
			certificate === undefined ? null : Date.parse(new X509Certificate(certificate).validTo),
		...(authority === undefined ? {} : { authority }),
		numConnections: numConnections?.() ?? 0,
	};
}

/** The server's own authority, and its successor where one is announced. */
async function authorityOf(home: ServerHome, members: MemberLog): Promise<MachineView["authority"]> {
	const certificate = await readIfThere(home.authority);
	if (certificate === undefined) return undefined;
	const rotation = await readRotation(home);
	return {
		endsMs: Date.parse(new X509Certificate(certificate).validTo),
		changesMs: rotation === undefined ? null : changesAtMs(rotation),
		missing: rotation === undefined ? [] : rotationStatus(rotation, sitesToTell(members.list())).missing,
	};
}

async function alertsDocument(monitor: Monitor, urlOf: () => Promise<string | null>) {
	const url = await urlOf();
	return {
		webhookHost: url === null ? null : parseWebhook(url).host,
		alerts: monitor.alerts().map(({ sinceMs, ...alert }) => ({
			...alert,
			since: new Date(sinceMs).toISOString(),
		})),
	};
}

function logAlert(log: Log, { status, alert }: AlertChange): void {
	const { rule, subject, severity, message, cure } = alert;
	const fields = { event: `alert.${status}`, rule, subject, severity };
	if (status === "resolved") log("info", `resolved: ${rule} (${subject})`, fields);
	else log(severity === "critical" ? "error" : "warn", message, { ...fields, cure });
}

function plain(status: number, text: string) {
	return { kind: "text" as const, status, text: `${text}\n`, type: "text/plain; charset=utf-8" };
}
