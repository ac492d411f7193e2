// Entry of a decoder process: reads DecodeRun messages, writes result records to file descriptor 3. A few files
// stay open, each standing on the frame it gave last. It ends when the reader disconnects.
import { writeSync } from "node:fs";
import { AV_LOG_FATAL } from "node-av/constants";
import { Log } from "node-av/lib";
import { type DecodeRun, encodeHeader, RECORD_KIND, type RecordHeader } from "./decode-protocol.ts";
import { DecodeError, VideoDecoder } from "./video-decoder.ts";

const PIPE = 3;
const MAX_OPEN_FILES = 8;

/** Least recently used first. */
const open = new Map<string, VideoDecoder>();

function decoderOf(path: string): VideoDecoder {
	const known = open.get(path);
	const decoder = known ?? new VideoDecoder(path);
	open.delete(path);
	open.set(path, decoder);
	const [oldest] = open.keys();
	if (open.size > MAX_OPEN_FILES && oldest !== undefined) {
		open.get(oldest)?.[Symbol.dispose]();
		open.delete(oldest);
	}
	return decoder;
}

function writeAll(bytes: Uint8Array): void {
	for (let done = 0; done < bytes.length; ) done += writeSync(PIPE, bytes, done);
}

function send(header: Omit<RecordHeader, "payloadBytes">, payload: Uint8Array): void {
	writeAll(encodeHeader({ ...header, payloadBytes: payload.length }));
	writeAll(payload);
}

function decode({ id, path, times, toleranceS }: DecodeRun): void {
	for (const [position, timeS] of times.entries()) {
		try {
			const { height, width, rgb } = decoderOf(path).frameAt(timeS, toleranceS);
			send({ kind: RECORD_KIND.frame, runId: id, position, height, width }, rgb);
		} catch (cause) {
			if (!(cause instanceof DecodeError)) throw cause;
			const payload = new TextEncoder().encode(JSON.stringify(cause.failure));
			send({ kind: RECORD_KIND.error, runId: id, position, height: 0, width: 0 }, payload);
		}
	}
}

Log.setLevel(AV_LOG_FATAL);
process.on("message", decode);
process.on("disconnect", () => process.exit(0));
send({ kind: RECORD_KIND.ready, runId: 0, position: 0, height: 0, width: 0 }, new Uint8Array(0));
