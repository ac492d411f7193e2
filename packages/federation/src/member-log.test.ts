import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createNodeIdentity } from "@zk0/flower";
import { expect, test } from "vitest";
import type { Offence } from "./audit.ts";
import { type ManualClock, manualClock } from "./clock.ts";
import { type MemberLog, openMemberLog } from "./member-log.ts";
import { temporaryDir } from "./testing/toy-app.ts";

const SECRET = "s3cret";

async function open(): Promise<{ members: MemberLog; clock: ManualClock; path: string } & AsyncDisposable> {
	const dir = await temporaryDir();
	const clock = manualClock(Date.UTC(2026, 10, 23));
	const path = join(dir.path, "members.jsonl");
	const members = await openMemberLog(path, clock);
	return {
		members,
		clock,
		path,
		async [Symbol.asyncDispose]() {
			await members[Symbol.asyncDispose]();
			await dir[Symbol.asyncDispose]();
		},
	};
}

const newKey = (): string => createNodeIdentity("prime256v1").publicKeyPem;
const ask = (members: MemberLog, site: string, invite = "", publicKeyPem = newKey()) =>
	members.register({ publicKeyPem, site, invite, peer: "127.0.0.1:1" });

test("without an invitation a site waits; approval and revocation survive a restart", async () => {
	await using harness = await open();
	const { members, clock, path } = harness;
	const { publicKeyPem, state, nodeId } = await ask(members, "ann");
	expect(state).toBe("pending");
	await members.approve("ann");
	expect(members.find(publicKeyPem)).toMatchObject({ site: "ann", state: "approved", nodeId });
	await ask(members, "bob");
	await members.revoke("bob");
	await expect(members.approve("bob")).rejects.toThrow("for good");
	await expect(members.approve("cyd")).rejects.toMatchObject({ code: "unknown-member" });
	await members[Symbol.asyncDispose]();
	await using again = await openMemberLog(path, clock);
	expect(again.list().map(({ site, state: kept }) => [site, kept])).toEqual([
		["ann", "approved"],
		["bob", "revoked"],
	]);
	expect(again.head).toBe(members.head);
});

test("an invitation admits one key, in time, under its name", async () => {
	await using harness = await open();
	const { members, clock } = harness;
	const expiresAtMs = clock.now() + 1000;
	await members.invite(SECRET, { site: "ann", expiresAtMs });
	await expect(ask(members, "bob", SECRET)).rejects.toMatchObject({ code: "permission-denied" });
	await expect(ask(members, "", "guess")).rejects.toMatchObject({ code: "unauthenticated" });
	const ann = await ask(members, "", SECRET);
	expect(ann).toMatchObject({ site: "ann", state: "approved" });
	expect(await ask(members, "other", "", ann.publicKeyPem)).toMatchObject({ site: "ann" });
	await expect(ask(members, "ann", SECRET)).rejects.toThrow("was used before");
	await members.invite("later", { expiresAtMs });
	clock.advance(2000);
	await expect(ask(members, "bob", "later")).rejects.toThrow("has expired");
	await expect(ask(members, "ann")).rejects.toMatchObject({ code: "already-exists" });
	const text = await readFile(harness.path, "utf8");
	expect(text).not.toContain(SECRET);
});

const guess = (address: string, why: Offence["why"] = "bad-invitation"): Offence => ({
	why,
	site: null,
	key: "0123456789abcdef",
	address,
	detail: "the invitation is not known\u001b[2J",
});

test("who is turned away is in the log; repeated offences are counted and summed up", async () => {
	await using harness = await open();
	const { members, clock } = harness;
	for (let index = 0; index < 1000; index++) await members.audit(guess("192.0.2.1"));
	await members.audit(guess("192.0.2.2"));
	expect(members.events.map((event) => ("address" in event ? event.address : ""))).toEqual([
		"192.0.2.1",
		"192.0.2.2",
	]);
	expect(members.events[0]).toMatchObject({
		why: "bad-invitation",
		detail: "the invitation is not known?[2J",
	});
	clock.advance(3_700_000);
	await members.audit(guess("192.0.2.1"));
	expect(members.events.slice(2)).toMatchObject([
		{ kind: "calls.refused", why: "bad-invitation", count: 999, from: ["192.0.2.1"] },
		{ kind: "call.refused", address: "192.0.2.1" },
	]);
	await members.audit(guess("192.0.2.1"));
	await members.summarise();
	expect(members.events.at(-1)).toMatchObject({ kind: "calls.refused", count: 1 });
});

test("strangers cannot fill the log, and a changed log is noticed", async () => {
	await using harness = await open();
	const { members, clock, path } = harness;
	for (let index = 0; index < 500; index++) await members.audit(guess(`192.0.${index}`, "unknown-key"));
	expect(members.events).toHaveLength(100);
	await members[Symbol.asyncDispose]();
	expect(members.events.at(-1)).toMatchObject({ kind: "calls.refused", count: 400 });
	const text = await readFile(path, "utf8");
	await writeFile(path, text.replace("192.0.7", "192.0.8"));
	await expect(openMemberLog(path, clock)).rejects.toMatchObject({ code: "log-tampered" });
});
