import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPrefixCache } from "@zk0/finetune";
import { initWeights, memoryTensors, smallPreset } from "@zk0/policy";
import { afterAll, expect, test } from "vitest";
import { EXIT_CODES } from "../exit-codes.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { COMMANDS } from "./index.ts";

const cacheDir = mkdtempSync(join(tmpdir(), "zk0-cache-"));
const prefix = join(cacheDir, "prefix");
afterAll(() => rmSync(cacheDir, { recursive: true }));

async function run(...words: readonly string[]) {
	const host = captureHost({ env: { ZK0_CACHE_DIR: cacheDir } });
	const code = await runCli(["cache", ...words], host, { commands: COMMANDS, version: "0" });
	return { code, out: host.out(), err: host.err() };
}

test("shows, checks and empties the cache", async () => {
	expect((await run("show")).out).toContain("entries   0");
	const { config, vlm } = smallPreset();
	const model = { config, vlm, tensors: memoryTensors(initWeights(config, vlm, 1)) };
	{
		await using cache = await openPrefixCache({ model, level: "kv", dir: prefix, budgetBytes: 1e6 });
		for (const digit of ["a", "b"]) await cache.store.put(digit.repeat(64), [new Uint8Array(5000).fill(7)]);
		expect((await run("show")).out).toContain("segments  1, 1 being written");
	}
	expect(JSON.parse((await run("verify", "--json")).out)).toMatchObject({ entries: 2, damaged: 0 });

	const [name = ""] = readdirSync(prefix).filter((file) => file.endsWith(".data"));
	const bytes = readFileSync(join(prefix, name));
	bytes[5001] = 8;
	writeFileSync(join(prefix, name), bytes);
	const verified = await run("verify");
	expect(verified.code).toBe(EXIT_CODES.storage.code);
	expect(verified.out).toContain("damaged   1");
	expect(verified.err).toContain("check the disk");
	expect((await run("verify")).code).toBe(0);
	expect((await run("show")).out).toContain("entries   1");

	expect((await run("clear")).out).toContain(`from ${prefix}`);
	expect(readdirSync(prefix)).toEqual([]);
});
