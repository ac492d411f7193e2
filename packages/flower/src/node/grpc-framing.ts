// gRPC's words on HTTP/2, as far as unary calls need them: which headers are metadata, how long a message is, how a call
// ends. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { FlowerError } from "../errors.ts";
import type { CallHeaders } from "../transport.ts";
import { PUSHBACK_TRAILER, statusOfCode } from "./grpc-status.ts";

/** Bytes before a message: a flag for compression and the length. */
export const PREFIX_BYTES = 5;

const CONTENT_TYPE = "application/grpc+proto";
const MS_OF_UNIT: Readonly<Record<string, number>> = {
	H: 3_600_000,
	M: 60_000,
	S: 1000,
	m: 1,
	u: 1e-3,
	n: 1e-6,
};
/** Longest timer that Node has. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** True for requests that mean a gRPC call. */
export function isGrpcRequest(headers: IncomingHttpHeaders): boolean {
	return headers[":method"] === "POST" && (headers["content-type"] ?? "").startsWith("application/grpc");
}

/** The metadata of a call: without HTTP's and gRPC's own headers; `-bin` ones as bytes, of repeated ones the first. */
export function callHeaders(headers: IncomingHttpHeaders): CallHeaders {
	const found = new Map<string, string | Uint8Array>();
	for (const [name, value] of Object.entries(headers)) {
		if (name.startsWith(":") || name.startsWith("grpc-") || name === "te" || name === "content-type")
			continue;
		const text = Array.isArray(value) ? value[0] : value;
		if (text === undefined) continue;
		if (name.endsWith("-bin")) found.set(name, Buffer.from(text.split(",", 1).join(""), "base64"));
		else found.set(name, text);
	}
	return found;
}

/** Milliseconds that the caller waits at most; undefined: it does not say, or nothing that can be read. */
export function callTimeoutMs(headers: IncomingHttpHeaders): number | undefined {
	const text = headers["grpc-timeout"];
	const [, digits, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(typeof text === "string" ? text : "") ?? [];
	const unitMs = MS_OF_UNIT[unit];
	if (digits === undefined || unitMs === undefined) return undefined;
	return Math.min(MAX_TIMER_MS, Number(digits) * unitMs);
}

/**
 * Length of the message that a prefix announces.
 * @throws FlowerError resource-exhausted over `maxBytes`; unimplemented for compressed ones
 */
export function messageLength(prefix: Uint8Array, maxBytes: number): number {
	const view = new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES);
	const numBytes = view.getUint32(1);
	if (view.getUint8(0) !== 0)
		throw new FlowerError("unimplemented", "Compressed messages are not taken; send them as they are.");
	if (numBytes > maxBytes)
		throw new FlowerError("resource-exhausted", `A message of ${numBytes} bytes; at most ${maxBytes} pass.`, {
			reason: "over-limit",
		});
	return numBytes;
}

/** The prefix of a message that is not compressed. */
export function messagePrefix(numBytes: number): Uint8Array {
	const prefix = new Uint8Array(PREFIX_BYTES);
	new DataView(prefix.buffer).setUint32(1, numBytes);
	return prefix;
}

/** Headers of an answer that has a message. */
export const ANSWER_HEADERS: OutgoingHttpHeaders = {
	[constants.HTTP2_HEADER_STATUS]: 200,
	[constants.HTTP2_HEADER_CONTENT_TYPE]: CONTENT_TYPE,
};

/** Trailers of a call that succeeded. */
export const OK_TRAILERS: OutgoingHttpHeaders = { "grpc-status": "0" };

/** An answer that is an error and nothing else. */
export function errorHeaders({ code, message, retryAfterMs }: FlowerError): OutgoingHttpHeaders {
	return {
		...ANSWER_HEADERS,
		"grpc-status": String(statusOfCode(code)),
		"grpc-message": encodeMessage(message),
		...(retryAfterMs === undefined ? {} : { [PUSHBACK_TRAILER]: String(retryAfterMs) }),
	};
}

/** Percent-encoded UTF-8, as gRPC has it; broken surrogates become the replacement character. */
function encodeMessage(text: string): string {
	return [...Buffer.from(text, "utf8")]
		.map((byte) =>
			byte >= 0x20 && byte <= 0x7e && byte !== 0x25
				? String.fromCharCode(byte)
				: `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
		)
		.join("");
}
