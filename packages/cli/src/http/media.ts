// Files that are played: whole, or the one range of bytes that a player asks for (RFC 9110, section 14). Without ranges
// browsers cannot seek.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { codeOf } from "../exit-codes.ts";

/** First and last byte. */
export interface ByteRange {
	readonly first: number;
	readonly last: number;
}

/**
 * The range that a header asks for; "whole" without one, and for what may be ignored: other units, several ranges, no
 * range at all. "none" when nothing of it is in the file.
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | "whole" | "none" {
	const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "") ?? [];
	if (from === undefined || to === undefined || (from === "" && to === "")) return "whole";
	if (from === "") {
		const length = Math.min(Number(to), sizeBytes);
		return length === 0 ? "none" : { first: sizeBytes - length, last: sizeBytes - 1 };
	}
	const first = Number(from);
	if (to !== "" && Number(to) < first) return "whole";
	const last = to === "" ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
	return first >= sizeBytes ? "none" : { first, last };
}

/** Sends a file, or the part of it that is asked for. */
export async function sendMedia(
	{ path, type }: { readonly path: string; readonly type: string },
	request: IncomingMessage,
	response: ServerResponse,
): Promise<void> {
	const { size } = await stat(path);
	const range = parseRange(request.headers.range, size);
	response.setHeader("accept-ranges", "bytes");
	if (range === "none") {
		response.writeHead(416, { "content-range": `bytes */${size}`, "content-length": 0 });
		response.end();
		return;
	}
	const { first, last } = range === "whole" ? { first: 0, last: size - 1 } : range;
	response.writeHead(range === "whole" ? 200 : 206, {
		"content-type": type,
		"content-length": last - first + 1,
		...(range === "whole" ? {} : { "content-range": `bytes ${first}-${last}/${size}` }),
	});
	if (request.method === "HEAD" || size === 0) {
		response.end();
		return;
	}
	try {
		await pipeline(createReadStream(path, { start: first, end: last }), response);
	} catch (error) {
		// Players drop what they no longer want: every seek ends a transfer.
		if (codeOf(error) !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
	}
}
