import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EXIT_CODES } from "../exit-codes.ts";
import { checkTrainingStep, checkVideo, suggestFullSize } from "../machine/compute-checks.ts";
import type { Finding } from "../machine/finding.ts";
import { clockFinding } from "../machine/network-checks.ts";
import { checkMemory, checkNode, roomFinding } from "../machine/system-checks.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { COMMANDS } from "./index.ts";

/** The rest of what a client remembers of its federation. */
const JOINED = { authority: null, site: "kitchen", data: "d", camera: null, threads: 1, device: "cpu" };

let cwd = "";
let server: Http2Server;
beforeAll(async () => {
	cwd = await mkdtemp(join(tmpdir(), "zk0-doctor-command-"));
	server = createServer((_, response) => response.end());
	await new Promise<void>((resolve) => {
		server.listen(0, "127.0.0.1", resolve);
	});
});
afterAll(async () => {
	server.close();
	await rm(cwd, { recursive: true });
});

async function run(line: string, env: Record<string, string> = {}) {
	const host = {
		...captureHost({ cwd, env: { HF_HUB_OFFLINE: "1", ZK0_HOME: join(cwd, "home"), ...env } }),
		now: () => Date.now(),
	};
	const code = await runCli(["doctor", "--quick", ...line.split(" ")], host, {
		commands: COMMANDS,
		version: "0",
	});
	return { code, out: host.out(), err: host.err() };
}

async function joinServer(settings: object): Promise<void> {
	await mkdir(join(cwd, "home/client"), { recursive: true });
	await writeFile(join(cwd, "home/client/client.json"), JSON.stringify(settings));
}

describe("zk0 doctor --quick", () => {
	test("looks at machine, parts and variables, and says what to do", async () => {
		const { code, out } = await run("--json", { ZK0_ROUND: "3", ZK0_CACHE_DIR: join(cwd, "cache") });
		const { findings, errors, warnings } = JSON.parse(out);
		const named = new Map<string, Finding>(findings.map((finding: Finding) => [finding.name, finding]));
		for (const name of ["node", "processor", "memory", "disk", "cache", "node-av", "hub", "port"]) {
			expect(named.has(name)).toBe(true);
		}
		expect(named.get("environment")).toMatchObject({ level: "warning", cure: "did you mean ZK0_ROUNDS?" });
		expect(named.get("hub")).toMatchObject({ level: "info", found: "not asked: HF_HUB_OFFLINE is set" });
		expect(warnings).toBeGreaterThanOrEqual(1);
		expect(code).toBe(errors === 0 ? EXIT_CODES.ok.code : EXIT_CODES["not-ready"].code);
	});

	test("asks the joined server for its time, over the client's own kind of connection", async () => {
		const { port } = server.address() as AddressInfo; // It listens on a port.
		await joinServer({ host: "127.0.0.1", port, ...JOINED });
		const { out } = await run("--quiet");
		expect(out).toBe("");
		const text = (await run("--out runs")).out;
		expect(text).toMatch(/ok {5}joined server: 127\.0\.0\.1:\d+ answers kitchen in [\d.]+ ms, plaintext/);
		expect(text).toContain("clock: agrees");
	});

	test("a server that is away fails the doctor and has a cure", async () => {
		await joinServer({ host: "127.0.0.1", port: 1, ...JOINED });
		const { code, out } = await run("--out runs");
		expect(code).toBe(EXIT_CODES["not-ready"].code);
		expect(out).toMatch(/FAIL {3}joined server: 127\.0\.0\.1:1: .*ECONNREFUSED/);
		expect(out).toContain("→ check that the server runs");
		await rm(join(cwd, "home"), { recursive: true });
	});

	test("state folders that cannot be read are findings", async () => {
		for (const role of ["client", "server"]) {
			await mkdir(join(cwd, "home", role), { recursive: true });
			await writeFile(join(cwd, "home", role, `${role}.json`), "{");
		}
		const { code, out } = await run("--json --out runs");
		const found = JSON.parse(out).findings.filter(({ level }: Finding) => level === "error");
		expect(found.map(({ name }: Finding) => name)).toEqual(["own server", "joined server"]);
		expect(found[0]).toMatchObject({ cure: expect.stringContaining("restore the file") });
		expect(code).toBe(EXIT_CODES["not-ready"].code);
		await rm(join(cwd, "home"), { recursive: true });
	});

	test("a folder that cannot be written to is an error", async () => {
		await writeFile(join(cwd, "file"), "");
		const { out } = await run("--json --out file/runs");
		const disk = JSON.parse(out).findings.find(({ name }: Finding) => name === "disk");
		expect(disk).toMatchObject({ level: "error", found: expect.stringContaining("is a file, not a folder") });
	});
});

test.each([
	[checkNode("20.19.0"), "good"],
	[checkNode("24.1.0"), "good"],
	[checkNode("20.18.9"), "error"],
	[checkMemory(8e9, 16e9), "good"],
	[checkMemory(0.2e9, 16e9), "error"],
	[roomFinding("disk", "/x", 50e9), "good"],
	[roomFinding("disk", "/x", 5e9), "info"],
	[roomFinding("disk", "/x", 5e8), "warning"],
	[clockFinding(900), "good"],
	[clockFinding(-90_000), "error"],
])("%o", (finding, level) => {
	expect(finding.level).toBe(level);
	expect(finding.cure === null).toBe(level === "good");
});

test("measures video and a training step, and plans for full size", async () => {
	const { signal } = new AbortController();
	expect(await checkVideo(signal)).toMatchObject({ name: "video", level: "good" });
	expect((await checkTrainingStep(signal)).found).toMatch(/16 frames from pixels: \d+ ms/);
	const findings = await suggestFullSize(180, [{ device: "cpu", works: true, gflops: 180 }], cwd);
	const round = findings.find(({ name }) => name === "full size, round");
	expect(round?.found).toMatch(/kv up to \d+ frames: 3:4\d; connector up to \d+ frames: 7:\d\d/);
});
