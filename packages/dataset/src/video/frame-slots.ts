// Frames pass from a decoder process to the reader through an unnamed temporary file that both hold open: it stays
// in the page cache and costs one copy on either side (a pipe costs the reader a garbage collection per 64 KiB;
// measured: 3000 instead of 1200 frames of 480x640 per second). Half of the file belongs to each of the two runs
// that a process may hold, so nobody overwrites what is not yet read.
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MAX_PAYLOAD_BYTES } from "./decode-protocol.ts";

/** Longest run that a slot file serves. */
export const MAX_RUN_FRAMES = 16;
/** Runs under way per process, each in a half of its own. */
export const NUM_HALVES = 2;

/** The reader's end of a slot file. */
export interface FrameSlots extends Disposable {
	/** To be inherited by the decoder process. */
	readonly fd: number;
	/** Copies a frame out. @throws RangeError when it is not there. */
	read(half: number, position: number, sizeBytes: number): Uint8Array;
}

/** Creates the file in the system's temporary folder; it has no name and is gone with its last user. */
export function createFrameSlots(): FrameSlots {
	const folder = mkdtempSync(join(tmpdir(), "zk0-frames-"));
	let fd: number | null = null;
	try {
		fd = openSync(join(folder, "slots"), "w+");
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
	const opened = fd;
	return {
		fd: opened,
		read(half, position, sizeBytes) {
			// Not zeroed: every byte is read into or the read fails.
			const bytes = new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer);
			const from = slotOffset(half, position);
			for (let done = 0; done < sizeBytes; ) {
				const read = readSync(opened, bytes, done, sizeBytes - done, from + done);
				if (read === 0)
					throw new RangeError(`frame slots: ${done} of ${sizeBytes} bytes at slot ${half}/${position}`);
				done += read;
			}
			return bytes;
		},
		[Symbol.dispose]() {
			if (fd !== null) closeSync(fd);
			fd = null;
		},
	};
}

/** Writes a frame into its slot; used by the decoder process. */
export function writeSlot(fd: number, half: number, position: number, bytes: Uint8Array): void {
	const to = slotOffset(half, position);
	for (let done = 0; done < bytes.length; )
		done += writeSync(fd, bytes, done, bytes.length - done, to + done);
}

/** Slots are as far apart as the largest frame; the file is sparse. */
function slotOffset(half: number, position: number): number {
	return (half * MAX_RUN_FRAMES + position) * MAX_PAYLOAD_BYTES;
}
