// `zk0 push` against a hub on 127.0.0.1, and the card that it uploads.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEventLog } from "@zk0/federation";
import { type FakeHub, startFakeHub } from "@zk0/hub/testing";
import { runPaths, writeRunRecord } from "@zk0/records";
import { sampleEvents, sampleRecord } from "@zk0/records/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { COMMANDS } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "zk0-push-model-"));
const ID = "20261123-0000-aaaa";
let hub: FakeHub;

beforeAll(async () => {
	hub = await startFakeHub({});
	hub.requiredToken = "hf_write";
	const paths = runPaths(join(folder, "runs"), ID);
	mkdirSync(paths.globalCheckpoint(3), { recursive: true });
	writeFileSync(join(paths.globalCheckpoint(3), "model.safetensors"), "weights");
	writeFileSync(join(paths.globalCheckpoint(3), "config.json"), "{}");
	const record = sampleRecord(ID);
	await writeRunRecord(paths.config, {
		...record,
		initial: { ...record.initial, from: "/home/me/secret/base" },
	});
	await using log = await openEventLog(paths.events);
	await log.append(sampleEvents({ sites: ["kitchen", "workshop"], numRounds: 3, runId: ID }));
});
afterAll(async () => {
	await hub[Symbol.asyncDispose]();
	rmSync(folder, { recursive: true });
});

async function run(line: string) {
	const env = { HF_HOME: join(folder, "home"), HF_ENDPOINT: hub.endpoint, HF_TOKEN: "hf_write" };
	const host = captureHost({ cwd: folder, env });
	const code = await runCli(line.split(" "), host, { commands: COMMANDS, version: "0" });
	return { code, out: host.out(), err: host.err() };
}

test("--dry-run shows files and card, asks nobody, and names no path of this machine", async () => {
	const { code, out } = await run(`push ${ID} hf:me/arm --dry-run --license apache-2.0`);
	expect(code).toBe(0);
	expect(out).toContain("would upload to me/arm: 3 files");
	expect(out).toMatch(/^license: apache-2.0$/m);
	expect(out).toContain("| Start | a local checkpoint");
	expect(out).not.toContain("secret");
	expect(out).toMatch(/\| kitchen \| [\d.]+ \| [\d.]+ \| −\d+ % \|/);
});

test("uploads the checkpoint, private, and the record only when asked", async () => {
	const first = JSON.parse((await run(`push latest hf:me/arm --json`)).out);
	expect(first).toMatchObject({ isNew: true, visibility: "private", files: 3, round: 3 });
	const again = JSON.parse((await run(`push latest hf:me/arm --with-record --json`)).out);
	expect(again).toMatchObject({ isNew: false, files: 5 });
	const gone = await run("push latest hf:me/arm --round 1");
	expect(gone.err).toMatch(/keeps no checkpoint of round 1/);
});
