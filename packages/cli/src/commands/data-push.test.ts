// `zk0 data push` against a hub on 127.0.0.1: what it uploads is what `hf:` brings back.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { digestDataset, openDataset } from "@zk0/dataset";
import { type FakeHub, startFakeHub } from "@zk0/hub/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EXIT_CODES } from "../exit-codes.ts";
import { createOutput } from "../output.ts";
import { runCli } from "../run-cli.ts";
import { openData } from "../sources/locate-data.ts";
import { captureHost } from "../testing/capture-host.ts";
import { COMMANDS } from "./index.ts";

const golden = fileURLToPath(new URL("../../../dataset/golden/pyarrow-v21", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "zk0-push-"));
let hub: FakeHub;

beforeAll(async () => {
	hub = await startFakeHub({});
	hub.requiredToken = "hf_write";
	cpSync(golden, join(folder, "arm"), { recursive: true });
	writeFileSync(join(folder, "arm", "notes.txt"), "not part of the dataset");
});
afterAll(async () => {
	await hub[Symbol.asyncDispose]();
	rmSync(folder, { recursive: true });
});

function host(token = "hf_write") {
	const env = { HF_HOME: join(folder, "home"), HF_ENDPOINT: hub.endpoint, HF_TOKEN: token };
	return captureHost({ cwd: folder, env });
}

async function run(line: string, token?: string) {
	const own = host(token);
	const code = await runCli(line.split(" "), own, { commands: COMMANDS, version: "0" });
	return { code, out: own.out(), err: own.err() };
}

test("says what it would upload and asks nobody", async () => {
	const { code, out } = await run("data push arm hf:me/arm --dry-run --json");
	expect(code).toBe(EXIT_CODES.ok.code);
	const plan = JSON.parse(out);
	expect(plan).toMatchObject({ repo: "me/arm", tag: "v2.1", visibility: "private", dryRun: true });
	expect(plan.paths).toContain("README.md");
	expect(plan.paths).not.toContain("notes.txt");
	expect(hub.requests).toEqual([]);
});

test("uploads, tags with the version, and the hub gives it back", async () => {
	const { code, out } = await run("data push arm hf:me/arm --license cc-by-4.0");
	expect([code, out]).toEqual([EXIT_CODES.ok.code, expect.stringContaining("private")]);
	const repository = hub.repositories.get("datasets/me/arm");
	expect(repository?.isPrivate).toBe(true);
	expect([...(repository?.tags.keys() ?? [])]).toEqual(["v2.1"]);
	const card = new TextDecoder().decode(repository?.files["README.md"]);
	expect(card).toContain("license: cc-by-4.0\n");
	expect(card).toContain("- LeRobot\n");
	expect(card).toContain("- Wait – then let go\n");
	expect(card).toContain("| Frames | 7 at 15 per second (0:00) |");
	const back = await openData("hf:me/arm", {
		host: host(),
		output: createOutput(host(), { json: false, quiet: true }),
	});
	const source = await openDataset(join(folder, "arm"));
	expect((await digestDataset(back)).fingerprint).toBe((await digestDataset(source)).fingerprint);
});

test("keeps the dataset's own card", async () => {
	writeFileSync(join(folder, "arm", "README.md"), "# mine\n");
	await run("data push arm hf:me/own --public --no-tag");
	const repository = hub.repositories.get("datasets/me/own");
	expect(new TextDecoder().decode(repository?.files["README.md"])).toBe("# mine\n");
	expect([repository?.isPrivate, repository?.tags.size]).toEqual([false, 0]);
});

test.each([
	["data push arm me/arm", EXIT_CODES.usage, "hf:<user>/<name>"],
	["data push arm hf:me/arm@v3.0", EXIT_CODES.usage, "main branch"],
	["data push local:arm?episodes=0 hf:me/part", EXIT_CODES.usage, "zk0 data convert"],
	["data push arm hf:me/arm --license Mine!", EXIT_CODES.usage, "--license"],
	["data push nowhere hf:me/arm", EXIT_CODES.dataset, "nowhere"],
])("%s is refused", async (line, exit, text) => {
	const { code, err } = await run(line);
	expect([code, err]).toEqual([exit.code, expect.stringContaining(text)]);
});

test("a token that may not write is named", async () => {
	const { code, err } = await run("data push arm hf:me/arm", "hf_read");
	expect([code, err]).toEqual([EXIT_CODES.hub.code, expect.stringContaining("HF_TOKEN")]);
});
