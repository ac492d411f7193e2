import type { ServerHttp2Stream } from "node:http2";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { readBody } from "./request-body.ts";

test("a request that is whole before there is room for it is read all the same", async () => {
	const stream = new PassThrough();
	let makeRoom = (): void => undefined;
	const room = new Promise<void>((resolve) => {
		makeRoom = resolve;
	});
	const reserve = (): Promise<void> => room;
	const limits = { maxBytes: 100, stallMs: 10_000, totalMs: 10_000, signal: new AbortController().signal };
	// readBody uses the readable side only.
	const body = readBody(stream as unknown as ServerHttp2Stream, { ...limits, reserve });
	stream.end(Buffer.from([0, 0, 0, 0, 3, 7, 8, 9]));
	const ended = new Promise((resolve) => stream.once("end", resolve));
	await new Promise(setImmediate);
	// What Node's sockets and HTTP/2 streams do when the other side ends: the stream ends even though it is paused.
	stream.read(0);
	await ended;
	makeRoom();
	expect([...(await body)]).toEqual([7, 8, 9]);
});
