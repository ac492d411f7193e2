import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createNodeIdentity } from "@zk0/flower";
import { expect, test } from "vitest";
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
	expect(members.events.filter(({ kind }) => kind === "registration.refused")).toHaveLength(5);
});

test("strangers cannot fill the log, and a changed log is noticed", async () => {
	await using harness = await open();
	const { members, clock, path } = harness;
	for (let index = 0; index < 30; index++)
		await expect(ask(members, "../up")).rejects.toMatchObject({ code: "invalid-argument" });
	expect(members.events).toHaveLength(20);
	await members[Symbol.asyncDispose]();
	const text = await readFile(path, "utf8");
	await writeFile(path, text.replace("../up", "../uq"));
	await expect(openMemberLog(path, clock)).rejects.toMatchObject({ code: "log-tampered" });
});
