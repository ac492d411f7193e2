// The body of a unary call on its way in: one length-prefixed message. Its length is known before its bytes are taken, so
// room for it is found first; until then, the bytes stay with the sender.
import type { ServerHttp2Stream } from "node:http2";
import { FlowerError } from "../errors.ts";
import { messageLength, PREFIX_BYTES } from "./grpc-framing.ts";

/** How a body is read. */
export interface BodyOptions {
	readonly maxBytes: number;
	/** Finds room for the message before it is read. */
	readonly reserve: (numBytes: number) => Promise<void>;
	/** The body is given up when nothing comes for this time, */
	readonly stallMs: number;
	/** and when it is not whole after this. */
	readonly totalMs: number;
	/** Rejects with its reason. */
	readonly signal: AbortSignal;
}

/**
 * Reads the one message of a call to its end.
 * @throws FlowerError resource-exhausted, unimplemented, invalid-argument, deadline-exceeded, or the signal's reason
 */
export function readBody(stream: ServerHttp2Stream, options: BodyOptions): Promise<Uint8Array> {
	const { maxBytes, reserve, stallMs, totalMs, signal } = options;
	return new Promise((resolve, reject) => {
		const prefix = Buffer.alloc(PREFIX_BYTES);
		let numPrefix = 0;
		let body: Buffer | null = null;
		let numRead = 0;
		/** While room is looked for, an HTTP/2 stream may end although it is paused. */
		let isReserving = false;
		let isEnded = false;
		const stop = (): void => {
			clearTimeout(stalled);
			clearTimeout(late);
			signal.removeEventListener("abort", abort);
			stream.off("data", take).off("end", finish).pause();
		};
		const fail = (error: unknown): void => {
			stop();
			reject(error);
		};
		const abort = (): void => fail(signal.reason);
		const tooLate = (ms: number, what: string): void => {
			// Nobody can send what there is no room for.
			if (isReserving) {
				stalled.refresh();
				late.refresh();
			} else fail(new FlowerError("deadline-exceeded", `The request ${what} within ${ms} ms.`));
		};
		const stalled = setTimeout(() => tooLate(stallMs, "did not go on"), stallMs);
		const late = setTimeout(() => tooLate(totalMs, "was not whole"), totalMs);
		const fill = (bytes: Buffer): void => {
			if (body === null || numRead + bytes.length > body.length)
				return fail(new FlowerError("invalid-argument", "More than one message in a call."));
			bytes.copy(body, numRead);
			numRead += bytes.length;
		};
		const begin = async (rest: Buffer): Promise<void> => {
			const numBytes = messageLength(prefix, maxBytes);
			stream.pause();
			isReserving = true;
			await reserve(numBytes);
			isReserving = false;
			if (signal.aborted) return;
			// Not from the pool, which a small piece would keep; not cleared, because every byte is written or refused.
			body = Buffer.allocUnsafeSlow(numBytes);
			stalled.refresh();
			if (rest.length > 0) fill(rest);
			if (isEnded) finish();
			else stream.resume();
		};
		const take = (bytes: Buffer): void => {
			stalled.refresh();
			if (body !== null) return fill(bytes);
			const numTaken = Math.min(PREFIX_BYTES - numPrefix, bytes.length);
			bytes.copy(prefix, numPrefix, 0, numTaken);
			numPrefix += numTaken;
			if (numPrefix < PREFIX_BYTES) return;
			begin(bytes.subarray(numTaken)).catch(fail);
		};
		const finish = (): void => {
			isEnded = true;
			if (isReserving) return;
			if (body === null || numRead < body.length)
				return fail(new FlowerError("invalid-argument", "The request ended before its message did."));
			stop();
			resolve(body);
		};
		if (signal.aborted) return abort();
		signal.addEventListener("abort", abort, { once: true });
		stream.on("data", take).on("end", finish);
	});
}
