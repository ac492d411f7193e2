// One unary gRPC call on an HTTP/2 stream: admitted by its headers, read under its caller's limits, handled, answered.
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { timeoutError } from "../deadline.ts";
import { FlowerError, toFlowerError } from "../errors.ts";
import { type AdmittedCall, checkBodySize, findRoute, type Routes } from "../service.ts";
import type { ByteBudget } from "./byte-budget.ts";
import {
	ANSWER_HEADERS,
	callHeaders,
	callTimeoutMs,
	errorHeaders,
	isGrpcRequest,
	messagePrefix,
	OK_TRAILERS,
} from "./grpc-framing.ts";
import { readBody } from "./request-body.ts";

/** What calls on a server share. */
export interface CallSettings {
	readonly routes: Routes;
	readonly budget: ByteBudget;
	/** Bound on one message, both ways. */
	readonly maxMessageBytes: number;
	/** Time for a body, and for the caller to take an answer. */
	readonly bodyTimeoutMs: number;
	/** Longest pause within a body. */
	readonly stallTimeoutMs: number;
	/** The same for the whole body of a caller nobody vouches for. */
	readonly strangerTimeoutMs: number;
}

/** A call under way. */
export interface RunningCall {
	/** Ends it with an error. */
	abort(reason: FlowerError): void;
	/** Resolves when the stream is closed. */
	readonly finished: Promise<void>;
}

/** Serves one stream; `onAdmitted` is told when the caller is one that somebody vouches for. */
export function serveCall(
	stream: ServerHttp2Stream,
	headers: IncomingHttpHeaders,
	peer: string,
	{ settings, onAdmitted }: { readonly settings: CallSettings; readonly onAdmitted: () => void },
): RunningCall {
	const ending = new AbortController();
	const method = headers[":path"] ?? "";
	const timeoutMs = callTimeoutMs(headers);
	const timer =
		timeoutMs === undefined
			? undefined
			: setTimeout(() => ending.abort(timeoutError(timeoutMs, method)), timeoutMs);
	const finished = new Promise<void>((resolve) => {
		stream.once("close", () => {
			clearTimeout(timer);
			ending.abort(new FlowerError("cancelled", "The caller gave up."));
			resolve();
		});
	});
	// What breaks a stream closes it, and that is what is acted on.
	stream.on("error", () => undefined);
	const work = async (): Promise<void> => {
		const admitted = await findRoute(settings.routes, method).open({
			method,
			headers: callHeaders(headers),
			peer,
		});
		if (admitted.isTrusted) onAdmitted();
		await answer(stream, admitted, { method, settings, signal: ending.signal });
	};
	if (isGrpcRequest(headers)) {
		raceAbort(work(), ending.signal).catch((caught: unknown) =>
			refuse(stream, toFlowerError(caught, method), settings.stallTimeoutMs),
		);
	} else stream.respond({ ":status": 415 }, { endStream: true });
	return { abort: (reason) => ending.abort(reason), finished };
}

async function answer(
	stream: ServerHttp2Stream,
	{ account, isTrusted, maxRequestBytes, answerBytes, handle }: AdmittedCall,
	{ method, settings, signal }: { method: string; settings: CallSettings; signal: AbortSignal },
): Promise<void> {
	const { budget, maxMessageBytes, bodyTimeoutMs, stallTimeoutMs, strangerTimeoutMs } = settings;
	const totalMs = isTrusted ? bodyTimeoutMs : strangerTimeoutMs;
	const rooms: Disposable[] = [];
	const reserve = async (numBytes: number): Promise<void> => {
		rooms.push(await budget.take(account, numBytes, signal));
	};
	try {
		const body = await readBody(stream, {
			maxBytes: Math.min(maxRequestBytes, maxMessageBytes),
			reserve: (numBytes) => reserve(numBytes + answerBytes),
			stallMs: Math.min(stallTimeoutMs, totalMs),
			totalMs,
			signal,
		});
		const message = await handle(body, signal, reserve);
		await send(stream, message, { method, maxMessageBytes, totalMs, signal });
	} finally {
		for (const room of rooms) room[Symbol.dispose]();
	}
}

/** Sends an answer, and waits until the caller has taken it or time is up. */
async function send(
	stream: ServerHttp2Stream,
	message: Uint8Array,
	{ method, maxMessageBytes, totalMs, signal }: SendOptions,
): Promise<void> {
	checkBodySize(message.length, maxMessageBytes, method);
	if (stream.closed || stream.destroyed || signal.aborted) return;
	const late = setTimeout(() => stream.close(CANCEL), totalMs);
	stream.respond(ANSWER_HEADERS, { waitForTrailers: true });
	stream.once("wantTrailers", () => stream.sendTrailers(OK_TRAILERS));
	await new Promise<void>((resolve) => {
		stream.once("close", resolve);
		stream.cork();
		stream.write(messagePrefix(message.length));
		stream.end(message);
		stream.uncork();
	});
	clearTimeout(late);
}

interface SendOptions {
	readonly method: string;
	readonly maxMessageBytes: number;
	readonly totalMs: number;
	readonly signal: AbortSignal;
}

/** HTTP/2's code for a stream that is not wanted any more. */
const CANCEL = 8;

/** Ends a call with an error; what the caller still sends is not read. */
function refuse(stream: ServerHttp2Stream, error: FlowerError, graceMs: number): void {
	if (stream.closed || stream.destroyed) return;
	if (stream.headersSent) return stream.close(CANCEL);
	stream.respond(errorHeaders(error), { endStream: true });
	// Without this a caller could go on sending a body that nobody reads.
	const late = setTimeout(() => stream.close(CANCEL), graceMs).unref();
	stream.once("finish", () => stream.close());
	stream.once("close", () => clearTimeout(late));
}

async function raceAbort(work: Promise<void>, signal: AbortSignal): Promise<void> {
	let stop = (): void => undefined;
	const aborted = new Promise<never>((_, reject) => {
		stop = () => reject(signal.reason);
		signal.addEventListener("abort", stop, { once: true });
	});
	try {
		await Promise.race([work, aborted]);
	} finally {
		signal.removeEventListener("abort", stop);
	}
}
