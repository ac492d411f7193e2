// What commands are told when the server that they ask is gone, is another program, or hangs.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { captureHost } from "../testing/capture-host.ts";
import { callAdmin } from "./admin-client.ts";
import { serverHome } from "./home.ts";

let dir = "";
let server: Server;
/** What has the port now. */
let answer: (request: IncomingMessage, response: ServerResponse) => void;
beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-admin-"));
	server = createServer((request, response) => answer(request, response));
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address() as AddressInfo; // It listens on a port.
	await writeFile(join(dir, "admin.json"), JSON.stringify({ pid: 1, port, token: "t" }));
});
afterAll(async () => {
	server.close();
	await rm(dir, { recursive: true });
});

const ask = (signal = new AbortController().signal, patience: { readonly patienceMs?: number } = {}) =>
	callAdmin(
		serverHome(captureHost({ cwd: dir }), "."),
		{ method: "POST", path: "/x", body: { a: 1 }, ...patience },
		z.object({ b: z.int() }),
		signal,
	);

test("an answer is the server's; a refusal is in its words", async () => {
	answer = (_, response) => response.end('{"b":2}');
	expect(await ask()).toEqual({ b: 2 });
	answer = (_, response) => response.writeHead(400).end('{"code":"x","message":"not so","cure":"so"}');
	await expect(ask()).rejects.toMatchObject({ code: "server-refused", message: "not so (x)", cure: "so" });
});

test("a port that another program has by now is no server's", async () => {
	answer = (_, response) => response.end("<html>");
	await expect(ask()).rejects.toMatchObject({ code: "not-running" });
	answer = (_, response) => response.writeHead(401).end('{"code":"unauthorised"}');
	await expect(ask()).rejects.toMatchObject({ code: "not-running" });
});

test("a server that says nothing is named with its process, and Ctrl-C is not waited for", async () => {
	answer = (request) => request.socket.destroy();
	await expect(ask()).rejects.toMatchObject({
		code: "no-answer",
		message: expect.stringContaining("(process 1)"),
	});
	answer = () => undefined;
	const hanging = ask(new AbortController().signal, { patienceMs: 20 });
	await expect(hanging).rejects.toMatchObject({ code: "no-answer" });
	const stopping = new AbortController();
	answer = () => stopping.abort(new RangeError("enough"));
	await expect(ask(stopping.signal)).rejects.toThrow("enough");
});
