// A server process of a toy federation: the federation's server, Fleet API over TLS, members' log and round loop as in
// `zk0 server`, without the command line and the policy around them. Ends when its run has ended.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
	createServer,
	fedAvg,
	openEventLog,
	openMemberLog,
	openObjectStore,
	rounds,
	systemClock,
} from "@zk0/federation";
import { makeHeapRoom, serveGrpc } from "@zk0/flower/node";
import { deadlyFiles } from "./deadly-files.ts";
import { printLine, usageNow } from "./print.ts";
import { serverSettingsSchema } from "./settings.ts";

const DAY_MS = 24 * 3600 * 1000;

const settings = serverSettingsSchema.parse(JSON.parse(await readFile(process.argv[2] ?? "", "utf8")));
const clock = systemClock();
makeHeapRoom();
const files = deadlyFiles(settings.death);
const onFault = (cause: unknown): void => console.error("fault:", cause);
const stopping = new AbortController();
process.on("SIGTERM", () => stopping.abort());
{
	await using members = await openMemberLog(join(settings.dir, "members.jsonl"), clock);
	if (members.events.length === 0) {
		const expiresAtMs = clock.now() + DAY_MS;
		await Promise.all(
			settings.sites.map((site) => members.invite(`${settings.secret} ${site}`, { site, expiresAtMs })),
		);
	}
	await using server = createServer({ members, clock, offlineAfterMs: settings.offlineAfterMs, onFault });
	await using listener = await serveGrpc(server.routes, {
		host: "127.0.0.1",
		port: settings.port,
		security: settings.certificate,
	});
	printLine({ kind: "serving", port: listener.port, ...usageNow() });
	const store = await openObjectStore(join(settings.dir, "store"), files);
	await using log = await openEventLog(join(settings.dir, "events.jsonl"), files);
	await using grid = server.openGrid(store);
	while (settings.waitForAll && server.sites().length < settings.sites.length) await sleep(20);
	printLine({ kind: "started", atMs: clock.now() });
	let sha256: string | null = null;
	const events = rounds({
		runId: "toy",
		seed: 1,
		numRounds: settings.numRounds,
		numLocalSteps: 1,
		learning: null,
		strategy: fedAvg(),
		initialWeightsPath: settings.initialWeightsPath,
		grid,
		log,
		store,
		clock,
		minSites: settings.minSites,
		quorum: settings.minUpdates,
		roundDeadlineMs: settings.roundDeadlineMs,
		offlineSites: "wait",
		signal: stopping.signal,
	});
	for await (const event of events) {
		printLine({ kind: "event", atMs: clock.now(), event });
		if (event.kind === "run.completed") sha256 = event.weightsSha256;
	}
	printLine({ kind: "finished", atMs: clock.now(), sha256, ...usageNow() });
}
