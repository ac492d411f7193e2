// Entry of a decoder process: works on DecodeRun messages one after the other, writes result records to file descriptor 3 and pictures to
// the slot file on 4. A few videos stay open, each standing on the frame it gave last.
import { writeSync } from "node:fs";
import { AV_LOG_FATAL } from "node-av/constants";
import { Log } from "node-av/lib";
import { serveParent } from "./child-main.ts";
import { type DecodedFrame, DecodeError } from "./decode-error.ts";
import { type DecodeRun, encodeHeader, RECORD_KIND, type RecordHeader } from "./decode-protocol.ts";
import { writeSlot } from "./frame-slots.ts";
import { PictureColumns } from "./picture-columns.ts";
import { PictureDecoder } from "./picture-decoder.ts";
import { VideoDecoder } from "./video-decoder.ts";

const PIPE = 3;
const SLOTS = 4;
const MAX_OPEN_FILES = 8;

/** Least recently used first. */
const open = new Map<string, VideoDecoder>();
const columns = new PictureColumns();
const pictures = new PictureDecoder();

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

function sendFrame(
	place: { runId: number; position: number; half: number },
	{ height, width, rgb }: DecodedFrame,
): void {
	const header = { runId: place.runId, position: place.position, height, width };
	if (tryWriteSlot(place.half, place.position, rgb))
		send({ kind: RECORD_KIND.slot, ...header }, new Uint8Array(0));
	else send({ kind: RECORD_KIND.frame, ...header }, rgb);
}

/** False when the temporary folder is full, or refuses the file: the frame then takes the pipe. */
function tryWriteSlot(half: number, position: number, rgb: Uint8Array): boolean {
	try {
		writeSlot(SLOTS, half, position, rgb);
		return true;
	} catch {
		return false;
	}
}

async function decode({ id, path, column, places, half, toleranceS }: DecodeRun): Promise<void> {
	for (const [position, place] of places.entries()) {
		try {
			const frame =
				column === null
					? decoderOf(path).frameAt(place, toleranceS)
					: pictures.decode(await columns.pictureAt(path, column, place));
			sendFrame({ runId: id, position, half }, frame);
		} catch (cause) {
			if (!(cause instanceof DecodeError)) throw cause;
			const payload = new TextEncoder().encode(JSON.stringify(cause.failure));
			send({ kind: RECORD_KIND.error, runId: id, position, height: 0, width: 0 }, payload);
		}
	}
}

Log.setLevel(AV_LOG_FATAL);
let last: Promise<void> = Promise.resolve();
serveParent((request) => {
	// as: the only sender is decoder-process.ts of this package. A failure that is no DecodeError ends the process.
	last = last.then(() => decode(request as DecodeRun));
});
send({ kind: RECORD_KIND.ready, runId: 0, position: 0, height: 0, width: 0 }, new Uint8Array(0));
