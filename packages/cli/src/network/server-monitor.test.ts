// What a running server tells about itself and to whom: metrics, health, alerts, and its log, over TLS in this process.
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { COMMANDS } from "../commands/index.ts";
import { createOutput } from "../output.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { VERSION } from "../version.ts";
import { callAdmin } from "./admin-client.ts";
import { serverHome } from "./home.ts";
import { serveFederation } from "./server-process.ts";
import { serverSettingsSchema } from "./server-settings.ts";

let dir: string;
let stop: () => Promise<void>;
let log: () => string;
beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-monitor-"));
	const host = captureHost({ cwd: dir });
	const output = createOutput(host, { json: false, quiet: false });
	const settings = { listen: "127.0.0.1", port: 0, address: "127.0.0.1" };
	const serving = serveFederation(serverHome(host, "server"), settings, { host, output });
	log = host.out;
	stop = async () => {
		host.interrupt("done");
		await serving;
	};
	while (!host.out().includes("serving at"))
		await Promise.race([serving, new Promise((resolve) => setTimeout(resolve, 20))]);
});
afterAll(async () => {
	await stop();
	await rm(dir, { recursive: true });
});

const home = () => serverHome(captureHost({ cwd: dir }), "server");

async function settings() {
	return serverSettingsSchema.parse(JSON.parse(await readFile(home().settings, "utf8")));
}

async function ask(path: string, token?: string) {
	const { adminPort } = await settings();
	const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
	const response = await fetch(`http://127.0.0.1:${adminPort}${path}`, { headers });
	return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
}

async function zk0(...words: string[]) {
	const host = captureHost({ cwd: dir });
	const code = await runCli([...words, "--state", "server"], host, { commands: COMMANDS, version: VERSION });
	return { code, out: host.out(), err: host.err() };
}

test("metrics are for those with a token; health says only ok or not", async () => {
	expect(await ask("/healthz")).toMatchObject({ status: 200, text: "ok\n" });
	expect(await ask("/readyz")).toMatchObject({ status: 200, text: "ok\n" });
	for (const path of ["/metrics", "/api/alerts"]) {
		const { status, text } = await ask(path);
		expect([path, status, text.includes("zk0_")]).toEqual([path, 401, false]);
	}
	const { token } = await callAdmin(
		home(),
		{ method: "POST", path: "/users", body: { name: "prometheus", role: "viewer" } },
		z.object({ token: z.string() }),
		new AbortController().signal,
	);
	const { status, type, text } = await ask("/metrics", token);
	expect([status, type]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
	expect(text).toContain(`zk0_build_info{version="${VERSION}"} 1`);
	expect(text).toMatch(/^zk0_disk_free_bytes \d+/m);
	expect(text).toMatch(/^zk0_certificate_expiry_timestamp_seconds \d+/m);
	expect(text).toMatch(/^process_resident_memory_bytes \d+/m);
	expect(text).toMatch(/^zk0_connections \d/m);
});

test("gRPC health over TLS, without a key", async () => {
	const { port } = await settings();
	const client = new Client(`127.0.0.1:${port}`, credentials.createSsl(await readFile(home().authority)), {
		"grpc.ssl_target_name_override": "localhost",
	});
	const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
		client.makeUnaryRequest(
			"/grpc.health.v1.Health/Check",
			(bytes: Buffer) => bytes,
			(bytes: Buffer) => bytes,
			Buffer.alloc(0),
			(error, value) => (error === null ? resolve(value) : reject(error)),
		);
	});
	client.close();
	expect(answer).toEqual(Buffer.from([8, 1]));
});

test("the webhook is set, tried and shown without its secret", async () => {
	expect(await zk0("server", "alerts")).toMatchObject({
		code: 0,
		out: "no alert fires\nsent nowhere (--webhook <url>)\n",
	});
	expect(await zk0("server", "alert-test")).toMatchObject({ code: 12, out: "" });
	const received: string[] = [];
	const hook = createServer((request, response) => {
		request.on("data", (part) => received.push(`${request.url} ${String(part)}`));
		request.on("end", () => response.end());
	});
	await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
	const address = hook.address();
	const host = `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
	const set = await zk0("server", "alerts", "--webhook", `http://${host}/S3CRET`);
	expect(set).toMatchObject({ code: 0, err: "" });
	expect((await stat(home().alerts)).mode & 0o777).toBe(0o600);
	const tried = await zk0("server", "alert-test");
	expect(tried).toMatchObject({ code: 0, out: `delivered to ${host}\n` });
	expect(received).toMatchObject([expect.stringMatching(/^\/S3CRET .*alerts of 127\.0\.0\.1 arrive here/)]);
	await new Promise((resolve) => hook.close(resolve));
	const failed = await zk0("server", "alert-test");
	const shown = await zk0("server", "alerts");
	expect(failed).toMatchObject({ code: 12, err: expect.stringContaining("cannot be reached") });
	expect(shown.out).toContain(`sent to ${host}`);
	expect([set, tried, failed, shown, log()].map((said) => JSON.stringify(said)).join("")).not.toContain(
		"S3CRET",
	);
	expect(await zk0("server", "alerts", "--webhook", "nonsense")).toMatchObject({ code: 2 });
	expect(await zk0("server", "alerts", "--webhook", "off")).toMatchObject({
		out: "alerts are sent nowhere\n",
	});
});

test("its log is JSON lines away from a terminal", () => {
	const lines = log()
		.trimEnd()
		.split("\n")
		.map((line): unknown => JSON.parse(line));
	expect(lines[0]).toMatchObject({
		level: "info",
		role: "server",
		msg: expect.stringContaining("serving at"),
	});
});
