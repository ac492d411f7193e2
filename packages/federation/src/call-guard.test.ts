// Who may call how often, and what the audit hears, over the whole server without a network.
import { createNodeIdentity, Fleet, type FlowerError, memoryTransport, type NodeIdentity } from "@zk0/flower";
import { expect, test } from "vitest";
import type { Offence } from "./audit.ts";
import type { CallLimits } from "./call-guard.ts";
import { type ManualClock, manualClock } from "./clock.ts";
import { type Members, openMembers } from "./members.ts";
import { createServer, type FederationServer } from "./server.ts";
import { NOW_MS, startServer } from "./testing/server-harness.ts";
import { joinAs, type TestNode, testNode } from "./testing/test-node.ts";
import { toyWeights } from "./testing/toy-app.ts";

const FEW: CallLimits = {
	callsPerNode: { burst: 5, perSecond: 1 },
	callsOfStrangers: { burst: 3, perSecond: 1 },
	failuresPerAddress: { burst: 2, perSecond: 1 },
	failuresPerNode: { burst: 2, perSecond: 1 },
};

interface Guarded extends AsyncDisposable {
	readonly server: FederationServer;
	readonly clock: ManualClock;
	readonly offences: Offence[];
	node(identity: NodeIdentity, peer: string): TestNode;
}

function guarded(members: Members = openMembers()): Guarded {
	const clock = manualClock(NOW_MS);
	const offences: Offence[] = [];
	const server = createServer({
		members,
		clock,
		limits: FEW,
		onOffence: (offence) => offences.push(offence),
		onFault: (cause) => {
			throw cause;
		},
	});
	return {
		server,
		clock,
		offences,
		node: (identity, peer) => testNode({ routes: server.routes, site: peer, clock, dir: "unused", identity }),
		[Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
	};
}

const codeOf = (call: Promise<unknown>): Promise<string> =>
	call.then(
		() => "ok",
		({ code, retryAfterMs }: FlowerError) =>
			retryAfterMs === undefined ? code : `${code}, ${retryAfterMs} ms`,
	);

const keys = [
	createNodeIdentity("prime256v1"),
	createNodeIdentity("prime256v1"),
	createNodeIdentity("prime256v1"),
];
const [ann = keys.at(-1) ?? createNodeIdentity(), bob = ann, eve = ann] = keys;

async function register({ server, clock }: Guarded, identity: NodeIdentity, site: string): Promise<TestNode> {
	return await joinAs({ routes: server.routes, site, clock, dir: "unused", identity });
}

test("a member that calls too often is told when to go on; others are not held up", async () => {
	await using guard = guarded();
	const node = await register(guard, ann, "nat");
	for (let index = 0; index < 4; index++) expect(await codeOf(node.beat([], "nat"))).toBe("ok");
	expect(await codeOf(node.beat([], "nat"))).toBe("resource-exhausted, 1000 ms");
	const other = await register(guard, bob, "nat2");
	expect(await codeOf(other.beat([], "nat2"))).toBe("ok");
	guard.clock.advance(1000);
	expect(await codeOf(node.beat([], "nat"))).toBe("ok");
	expect(guard.offences.map(({ why, site }) => [why, site])).toEqual([["over-limit", "nat"]]);
});

test("strangers are counted by address, members behind it are not", async () => {
	await using guard = guarded();
	const member = await register(guard, ann, "ann");
	const stranger = guard.node(eve, "203.0.113.9:1");
	const another = guard.node(bob, "203.0.113.9:2");
	expect(await codeOf(stranger.activate())).toBe("failed-precondition");
	expect(await codeOf(stranger.activate())).toBe("failed-precondition");
	expect(await codeOf(another.activate())).toBe("failed-precondition");
	expect(await codeOf(another.activate())).toBe("resource-exhausted, 1000 ms");
	expect(await codeOf(guard.node(ann, "203.0.113.9:3").activate())).toBe("ok");
	expect(await codeOf(member.beat([], "ann"))).not.toContain("resource");
});

test("who keeps failing to authenticate is turned away before its signature is looked at", async () => {
	await using guard = guarded();
	await register(guard, ann, "ann");
	const thief = { ...eve, publicKeyPem: ann.publicKeyPem };
	const stranger = guard.node(eve, "198.51.100.1:1");
	expect(await codeOf(stranger.beat())).toBe("unauthenticated");
	expect(await codeOf(stranger.beat())).toBe("unauthenticated");
	expect(await codeOf(stranger.beat())).toBe("resource-exhausted, 1000 ms");
	expect(await codeOf(guard.node(thief, "198.51.100.1:2").beat())).toBe("unauthenticated");
	expect(await codeOf(guard.node(thief, "198.51.100.1:2").beat())).toBe("unauthenticated");
	expect(await codeOf(guard.node(thief, "198.51.100.1:2").beat())).toBe("resource-exhausted, 1000 ms");
	expect(await codeOf(guard.node(ann, "198.51.100.2:1").activate())).toBe("ok");
	const unsigned = memoryTransport(guard.server.routes, { peer: "198.51.100.3:1" });
	expect(await codeOf(unsigned.unary(Fleet.method.pullMessages, {}))).toBe("unauthenticated");
	const late = testNode({
		routes: guard.server.routes,
		site: "198.51.100.4:1",
		clock: manualClock(NOW_MS - 400_000),
		dir: "unused",
		identity: ann,
	});
	expect(await codeOf(late.beat())).toBe("unauthenticated");
	expect(guard.offences.map(({ why, site, address }) => `${why} ${site ?? "-"} ${address}`)).toEqual([
		"unknown-key - 198.51.100.1",
		"unknown-key - 198.51.100.1",
		"over-limit - 198.51.100.1",
		"bad-signature ann 198.51.100.1",
		"bad-signature ann 198.51.100.1",
		"over-limit ann 198.51.100.1",
		"unsigned - 198.51.100.3",
		"expired ann 198.51.100.4",
	]);
});

test("activating with a key that is bound to nobody is in the audit, and locks no newcomer out", async () => {
	await using guard = guarded();
	const stranger = guard.node(eve, "198.51.100.1:1");
	for (let index = 0; index < 3; index++) {
		expect(await codeOf(stranger.activate())).toBe("failed-precondition");
		guard.clock.advance(1000);
	}
	await register(guard, ann, "ann");
	expect(guard.offences.map(({ why, site, address }) => [why, site, address])).toEqual(
		[1, 2, 3].map(() => ["unknown-key", null, "198.51.100.1"]),
	);
});

test("the audit hears of replies for other rounds, of other sites and of answered tasks", async () => {
	await using harness = await startServer();
	const { offences } = harness;
	const node = await harness.join("ann");
	const thief = await harness.join("eve");
	const task = await harness.task(node, "ann");
	const reply = await node.reply(task, { kind: "update", numSamples: 5, metrics: {} }, toyWeights());
	expect(await thief.push(reply, task)).toMatchObject({ code: "wrong-site" });
	await node.push(reply, task);
	harness.clock.advance(1000);
	const again = await node.reply(task, { kind: "update", numSamples: 6, metrics: {} }, toyWeights());
	expect(await node.push(again, task)).toMatchObject({ code: "duplicate" });
	expect(offences.map(({ why, site }) => [why, site])).toEqual([
		["wrong-site", "eve"],
		["duplicate", "ann"],
	]);
});

test("a run's log takes a bounded number of strays of one site", async () => {
	await using harness = await startServer();
	const node = await harness.join("ann");
	const thief = await harness.join("eve");
	const task = await harness.task(node, "ann");
	for (let index = 0; index < 110; index++) {
		const stray = await thief.reply(task, { kind: "failure", message: `no ${index}` });
		expect(await thief.push(stray, task)).toMatchObject({ code: "wrong-site" });
	}
	expect(harness.outcomes.filter(({ kind }) => kind === "rejected")).toHaveLength(100);
});
