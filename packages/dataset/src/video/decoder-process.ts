// One decoder process as the frame reader sees it: runs go in, results come out in order, and its end (a native
// crash, a stall) is reported once with the runs that were under way.
import { z } from "zod";
import { causeText } from "../errors.ts";
import { type RgbImage, rgbImage } from "../image.ts";
import { sendToChild, startVideoChild, type VideoChild } from "./child-entry.ts";
import {
	createRecordParser,
	type DecodeFailure,
	type DecodeRun,
	RECORD_KIND,
	type RecordHeader,
} from "./decode-protocol.ts";
import { createFrameSlots } from "./frame-slots.ts";

const failureSchema = z.object({
	code: z.enum(["bad-video", "bad-image", "frame-timestamp"]),
	message: z.string(),
});

/** What a decoder process reports. */
export interface DecoderEvents {
	/** One frame of a run, in order of position. */
	onFrame(runId: number, position: number, result: RgbImage | DecodeFailure): void;
	/** The process is gone, `ready` says whether it had ever started; called once, not after `close`. */
	onEnd(how: string, ready: boolean): void;
}

/** A decoder process. */
export interface DecoderProcess {
	readonly pid: number | undefined;
	/** Queues a run; `half` must be free (every frame of the run before in it answered). */
	send(run: DecodeRun): void;
	/** Ends the process, at once when it is busy; nothing more is reported. */
	close(): Promise<void>;
}

/** Time that a process may take to start, milliseconds: loading the native library from a cold disk is slow. */
const START_TIMEOUT_MS = 60_000;

/**
 * Starts a process. One that is busy but silent for `stallTimeoutMs` is killed and reported as ended.
 */
export function startDecoder(events: DecoderEvents, stallTimeoutMs: number): DecoderProcess {
	let ready = false;
	let ended = false;
	let ending: string | null = null;
	let numPending = 0;
	let timer: NodeJS.Timeout | undefined;
	const slots = createFrameSlots();
	/** By run under way: its half of the slot file and the frames still to come. */
	const underWay = new Map<number, { readonly half: number; numLeft: number }>();

	const end = (how: string): void => {
		clearTimeout(timer);
		slots[Symbol.dispose]();
		if (!ended) events.onEnd(ending ?? how, ready);
		ended = true;
	};
	const watch = (): void => {
		clearTimeout(timer);
		if (ended || (ready && numPending === 0)) return;
		timer = setTimeout(
			() => stop(`no frame for ${stallTimeoutMs} ms`),
			ready ? stallTimeoutMs : START_TIMEOUT_MS,
		);
	};
	const onRecord = (header: RecordHeader, payload: Uint8Array): void => {
		if (ended) return;
		if (header.kind === RECORD_KIND.ready) ready = true;
		else numPending--;
		watch();
		if (header.kind === RECORD_KIND.ready) return;
		const result = resultOf(header, payload);
		const run = underWay.get(header.runId);
		if (run !== undefined && --run.numLeft === 0) underWay.delete(header.runId);
		events.onFrame(header.runId, header.position, result);
	};
	const resultOf = (header: RecordHeader, payload: Uint8Array): RgbImage | DecodeFailure => {
		const { kind, height, width, runId, position } = header;
		if (kind === RECORD_KIND.error) return failureSchema.parse(JSON.parse(new TextDecoder().decode(payload)));
		if (kind === RECORD_KIND.frame) return rgbImage(height, width, payload);
		const half = underWay.get(runId)?.half ?? 0;
		return rgbImage(height, width, slots.read(half, position, height * width * 3));
	};
	const child: VideoChild = startVideoChild("decode-child", () => undefined, { shareFd: slots.fd });
	const stop = (why: string): void => {
		ending = why;
		child.process.kill("SIGKILL");
	};
	const parse = createRecordParser(onRecord);
	child.process.stdio[3]?.on("data", (chunk: Uint8Array) => {
		try {
			parse(chunk);
		} catch (cause) {
			stop(causeText(cause));
		}
	});
	void child.exit.then(end);
	watch();
	return {
		pid: child.process.pid,
		send(run) {
			numPending += run.places.length;
			underWay.set(run.id, { half: run.half, numLeft: run.places.length });
			watch();
			// as: plain data; the interface lacks the index signature that Serializable asks for.
			sendToChild(child, { ...run });
		},
		async close() {
			ended = true;
			clearTimeout(timer);
			await (numPending === 0 ? child.close() : child.kill());
		},
	};
}
