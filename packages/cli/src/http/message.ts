// Requests and replies as bytes: JSON bodies within bounds, compressed answers, event streams, files.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { HttpError } from "./http-error.ts";
import { sendMedia } from "./media.ts";
import type { Reply, StreamMessage } from "./route.ts";
import type { StaticFiles } from "./static-files.ts";

/** Bound on a request's body: settings of a run are a few kilobytes. */
const MAX_BODY_BYTES = 262_144;
/** Shorter answers are not worth compressing. */
const MIN_GZIP_BYTES = 4096;
/** A comment this often keeps a quiet stream open, and finds out that its reader is gone or no longer allowed. */
const KEEP_ALIVE_MS = 10_000;
const ONE_YEAR = "public, max-age=31536000, immutable";

const compress = promisify(gzip);

/** The JSON body; undefined when it is empty. @throws HttpError bad-request | too-large */
export async function readBody(request: IncomingMessage): Promise<unknown> {
	const chunks: Buffer[] = [];
	let numBytes = 0;
	for await (const chunk of request) {
		const bytes = Buffer.from(chunk);
		numBytes += bytes.length;
		if (numBytes > MAX_BODY_BYTES)
			throw new HttpError("too-large", `a request of over ${MAX_BODY_BYTES} bytes`);
		chunks.push(bytes);
	}
	if (numBytes === 0) return undefined;
	// A form on another site's page cannot send this type without asking first.
	if (!(request.headers["content-type"] ?? "").startsWith("application/json"))
		throw new HttpError("bad-request", "the body must be application/json");
	try {
		return JSON.parse(Buffer.concat(chunks).toString("utf8"));
	} catch (error) {
		if (error instanceof SyntaxError) throw new HttpError("bad-request", `no JSON: ${error.message}`);
		throw error;
	}
}

/** Sends a file of the app. @returns false when there is none */
export function sendStatic(
	files: StaticFiles,
	request: IncomingMessage,
	path: string,
	response: ServerResponse,
): boolean {
	const isRead = request.method === "GET" || request.method === "HEAD";
	const file = isRead && !path.startsWith("/api/") ? files.find(path) : undefined;
	if (file === undefined) return false;
	const gzipped = acceptsGzip(request);
	if (gzipped) response.setHeader("content-encoding", "gzip");
	response.setHeader("vary", "accept-encoding");
	response.setHeader("cache-control", file.isForEver ? ONE_YEAR : "no-cache");
	response.setHeader("content-type", file.type);
	response.end(gzipped ? file.gzipped : file.bytes);
	return true;
}

/** How a reply is sent. */
export interface SendOptions {
	/** Aborts when the reader is gone or the server stops. */
	readonly signal: AbortSignal;
	/** False: a stream ends, because its reader's leave has ended. */
	readonly mayGoOn: () => boolean;
}

/** Sends a reply to its end. */
export async function sendReply(
	reply: Reply,
	request: IncomingMessage,
	response: ServerResponse,
	options: SendOptions,
): Promise<void> {
	switch (reply.kind) {
		case "json": {
			const text = `${JSON.stringify(reply.body ?? null)}\n`;
			for (const [name, value] of Object.entries(reply.headers)) response.setHeader(name, value);
			return await sendText(response, reply.status, text, "application/json", acceptsGzip(request));
		}
		case "text":
			return await sendText(response, reply.status, reply.text, reply.type, acceptsGzip(request));
		case "file":
			return await sendFile(reply, request, response);
		case "media":
			return await sendMedia(reply, request, response);
		case "bytes":
			response.writeHead(200, { "content-type": reply.type, "content-length": reply.bytes.length });
			response.end(reply.bytes);
			return;
		case "stream":
			return await sendStream(reply.messages, response, options);
	}
}

async function sendText(
	response: ServerResponse,
	status: number,
	text: string,
	type: string,
	isGzipAccepted: boolean,
): Promise<void> {
	const bytes = Buffer.from(text);
	const isLong = isGzipAccepted && bytes.length >= MIN_GZIP_BYTES;
	const sent = isLong ? await compress(bytes, { level: 4 }) : bytes;
	response.writeHead(status, {
		"content-type": type,
		"content-length": sent.length,
		...(isLong ? { "content-encoding": "gzip" } : {}),
		vary: "accept-encoding",
	});
	response.end(sent);
}

async function sendFile(
	{ path, name }: Extract<Reply, { kind: "file" }>,
	request: IncomingMessage,
	response: ServerResponse,
): Promise<void> {
	const { size } = await stat(path);
	response.writeHead(200, {
		"content-type": "application/octet-stream",
		"content-length": size,
		"content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(name)}`,
	});
	if (request.method === "HEAD") response.end();
	else await pipeline(createReadStream(path), response);
}

async function sendStream(
	messages: AsyncIterable<StreamMessage>,
	response: ServerResponse,
	{ signal, mayGoOn }: SendOptions,
): Promise<void> {
	response.writeHead(200, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
	// Readers of a broken stream come back after this many milliseconds.
	response.write("retry: 1000\n\n");
	const stop = new AbortController();
	const ended = AbortSignal.any([signal, stop.signal]);
	const timer = setInterval(() => {
		if (mayGoOn()) response.write(": still here\n\n");
		else {
			stop.abort();
			response.end();
		}
	}, KEEP_ALIVE_MS);
	try {
		for await (const message of messages) {
			if (ended.aborted || !mayGoOn()) break;
			await write(response, formatMessage(message), ended);
		}
	} finally {
		clearInterval(timer);
		response.end();
	}
}

/** A message as the stream's text. JSON has no line breaks, so one data line is enough. */
export function formatMessage({ id, event, data }: StreamMessage): string {
	const head = id === undefined ? "" : `id: ${id}\n`;
	return `${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Writes, and waits while the reader is slower than we are. */
function write(response: ServerResponse, text: string, signal: AbortSignal): Promise<void> {
	if (response.write(text) || signal.aborted) return Promise.resolve();
	return new Promise((resolve) => {
		const done = (): void => {
			response.off("drain", done);
			signal.removeEventListener("abort", done);
			resolve();
		};
		response.once("drain", done);
		signal.addEventListener("abort", done, { once: true });
	});
}

function acceptsGzip(request: IncomingMessage): boolean {
	return /\bgzip\b/.test(request.headers["accept-encoding"] ?? "");
}
