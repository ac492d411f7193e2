// A client process of a toy federation: the federation's client over gRPC with TLS, one connection and one key per site.
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ClientEvent, runClient, systemClock } from "@zk0/federation";
import { createNodeIdentity, loadNodeIdentity, type NodeIdentity } from "@zk0/flower";
import { grpcTransport, makeHeapRoom } from "@zk0/flower/node";
import { misbehavingIdentity, misbehavingTransport } from "./misbehaving-node.ts";
import { printLine } from "./print.ts";
import { type ClientLine, clientSettingsSchema } from "./settings.ts";
import { toySite } from "./toy-site.ts";

const settings = clientSettingsSchema.parse(JSON.parse(await readFile(process.argv[2] ?? "", "utf8")));
const { port, authority, secret, misdeed } = settings;
const clock = systemClock();
makeHeapRoom();
const stopping = new AbortController();
process.on("SIGTERM", () => stopping.abort());

function say(kind: ClientLine["kind"], site: string, text = ""): void {
	printLine({ kind, site, atMs: clock.now(), text });
}

function textOf(event: ClientEvent): string {
	if (event.kind === "task") return `${event.phase} ${event.round}`;
	if (event.kind === "task-ended") return event.end.kind;
	return "message" in event ? event.message : "";
}

async function ownIdentity(dir: string): Promise<NodeIdentity> {
	const path = join(dir, "node.key");
	if (existsSync(path)) return loadNodeIdentity(await readFile(path, "utf8"));
	await mkdir(dir, { recursive: true });
	const identity = createNodeIdentity();
	await writeFile(path, identity.privateKeyPem, { mode: 0o600 });
	return identity;
}

async function serve(site: string): Promise<void> {
	const dir = join(settings.dir, site);
	/** Round of the task at hand. */
	const at = { round: 0 };
	const identity = misbehavingIdentity(await ownIdentity(dir), misdeed, at);
	await using transport = misbehavingTransport(
		grpcTransport({ host: "127.0.0.1", port, security: { rootCertificates: authority }, keepaliveMs: 5000 }),
		misdeed,
		at,
	);
	const { trainMs, evaluateMs, sharedUpdates } = settings;
	const app = toySite(site, {
		trainMs,
		evaluateMs,
		sharedUpdates,
		misdeed,
		onTraining: ({ round }) => say("training", site, String(round)),
		onTrained: ({ round }) => say("trained", site, String(round)),
	});
	await runClient({
		transport,
		identity,
		app,
		site,
		invite: `${secret} ${site}`,
		dir,
		clock,
		signal: stopping.signal,
		timeoutMs: 15_000,
		retry: { attempts: Number.POSITIVE_INFINITY },
		onEvent: (event) => {
			if (event.kind === "task") at.round = event.phase === "train" ? event.round : 0;
			if (event.kind !== "task-step") say(event.kind, site, textOf(event));
		},
	});
	say("stopped", site);
}

const results = await Promise.allSettled(settings.sites.map(serve));
for (const [index, result] of results.entries()) {
	if (result.status === "fulfilled") continue;
	say("failed", settings.sites[index] ?? "", String(result.reason));
	process.exitCode = 1;
}
