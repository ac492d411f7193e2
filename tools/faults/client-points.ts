// Faults of the sites' processes, and of server and sites together.
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { FaultPoint, Measured } from "./point.ts";
import { bytesPassed, pause, restartServer } from "./server-points.ts";
import { LARGE, SITES, type Stage, type StageOptions } from "./stage.ts";

/** Starts a site's client again and waits until it is online. */
async function restartClient(stage: Stage, site: string): Promise<Measured> {
	const startMs = performance.now();
	await stage.restartClient(site);
	return { recoveryMs: (await stage.heard(site, "online")) - startMs };
}

/** SIGKILL of bob's client at a moment, then a restart. */
function killed(what: string, options: StageOptions, moment: (stage: Stage) => Promise<unknown>): FaultPoint {
	return {
		group: "client killed",
		what,
		kind: "transient",
		stage: options,
		make: async (stage) => {
			await moment(stage);
			await stage.client("bob").kill("SIGKILL");
			return await restartClient(stage, "bob");
		},
	};
}

/** Faults of sites. */
export const CLIENT_POINTS: readonly FaultPoint[] = [
	killed("while it pulls the weights", { model: LARGE }, (stage) => bytesPassed(stage, "bob", "down", 12e6)),
	killed("while it evaluates", { clients: { bob: { evaluateMs: 2000 } } }, (stage) =>
		stage.heard("bob", "task", "evaluate 0"),
	),
	killed("while it trains", { trainMs: 2000 }, (stage) => stage.heard("bob", "task", "train 1")),
	killed("while it uploads its update", { model: LARGE }, (stage) => bytesPassed(stage, "bob", "up", 12e6)),
	killed("between two tasks", {}, (stage) => stage.heard("bob", "task-ended")),
	{
		group: "client killed",
		what: "while it signs its reply",
		kind: "transient",
		stage: { clients: { bob: { misdeed: { what: "die-signing", round: 1 } } } },
		make: async (stage) => {
			await stage.client("bob").ended;
			return await restartClient(stage, "bob");
		},
	},
	{
		group: "client killed",
		what: "and not started again for a while: shown as offline",
		kind: "transient",
		stage: { trainMs: 2000 },
		make: async (stage) => {
			await stage.heard("bob", "task", "train 1");
			await stage.client("bob").kill("SIGKILL");
			const deadMs = performance.now();
			const leftMs = await stage.recorded(
				(event) => event.kind === "site.left" && event.site === "bob" && event.reason === "offline",
				"bob to be offline",
			);
			await stage.restartClient("bob");
			return { recoveryMs: leftMs - deadMs, limitMs: 15_000, note: "time until it is shown as offline" };
		},
	},
	{
		group: "client killed",
		what: "all three, while they train",
		kind: "transient",
		stage: { trainMs: 2000 },
		make: async (stage) => {
			await Promise.all(SITES.map((site) => stage.heard(site, "task", "train 1")));
			await Promise.all(SITES.map((site) => stage.client(site).kill("SIGKILL")));
			const startMs = performance.now();
			await Promise.all(SITES.map((site) => stage.restartClient(site)));
			const back = await Promise.all(SITES.map((site) => stage.heard(site, "online")));
			return { recoveryMs: Math.max(...back) - startMs };
		},
	},
	{
		group: "server and client killed",
		what: "both at once, while the client uploads",
		kind: "transient",
		stage: { model: LARGE },
		make: async (stage) => {
			await bytesPassed(stage, "bob", "up", 12e6);
			await Promise.all([stage.server.kill("SIGKILL"), stage.client("bob").kill("SIGKILL")]);
			await stage.restartClient("bob");
			return await restartServer(stage);
		},
	},
	{
		group: "server and client killed",
		what: "everything at once, after the first update (power cut)",
		kind: "transient",
		stage: { trainMs: 300 },
		make: async (stage) => {
			await stage.recorded(({ kind }) => kind === "update.received", "an update");
			await Promise.all(
				[stage.server, ...SITES.map((site) => stage.client(site))].map((child) => child.kill("SIGKILL")),
			);
			await Promise.all(SITES.map((site) => stage.restartClient(site)));
			return await restartServer(stage);
		},
	},
	{
		group: "client stopped",
		what: "suspended (SIGSTOP) for 20 s in training: offline, keeps its task",
		kind: "transient",
		stage: { trainMs: 1000 },
		make: async (stage) => {
			await stage.heard("bob", "task", "train 1");
			stage.client("bob").child.kill("SIGSTOP");
			await pause(20_000);
			const startMs = performance.now();
			stage.client("bob").child.kill("SIGCONT");
			const backMs = await stage.recorded(
				(event) => event.kind === "update.received" && event.site === "bob",
				"bob's update",
			);
			return { recoveryMs: backMs - startMs, note: "recovery: its update is in" };
		},
	},
	{
		group: "client hangs",
		what: "its training never ends; the operator starts it again",
		kind: "transient",
		stage: { clients: { bob: { trainMs: 3_600_000 } } },
		make: async (stage) => {
			await stage.heard("bob", "task", "train 1");
			await pause(1000);
			await stage.client("bob").kill("SIGKILL");
			return await restartClient(stage, "bob");
		},
	},
	{
		group: "client stopped",
		what: "stopped cleanly in training and started again: the round is tried again for it",
		kind: "transient",
		stage: { trainMs: 1000 },
		make: async (stage) => {
			await stage.heard("bob", "task", "train 1");
			await stage.client("bob").kill("SIGTERM");
			return await restartClient(stage, "bob");
		},
	},
	{
		group: "client late",
		what: "its training takes 8 s longer than the others', with heartbeats",
		kind: "transient",
		stage: { clients: { bob: { trainMs: 8_000 } } },
		make: async () => ({ recoveryMs: null, note: "honest work is waited for, however long" }),
	},
	{
		group: "client twice",
		what: "a second client with the same key: the later one goes on",
		kind: "transient",
		stage: { trainMs: 1500 },
		make: async (stage) => {
			await stage.heard("bob", "task", "train 1");
			const first = stage.client("bob");
			const { dir } = stage.federation;
			await mkdir(join(dir, "elsewhere", "bob"), { recursive: true });
			await cp(join(dir, "clients", "bob", "node.key"), join(dir, "elsewhere", "bob", "node.key"));
			const startMs = performance.now();
			await stage.restartClient("bob", { dir: join(dir, "elsewhere") });
			const backMs = await stage.heard("bob", "online");
			await first.ended;
			return { recoveryMs: backMs - startMs };
		},
	},
];
