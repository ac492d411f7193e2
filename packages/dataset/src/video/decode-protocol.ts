// Between a frame reader and its decoder processes. Requests go over IPC; results come back on one pipe (file
// descriptor 3) as records of six uint32 (little-endian) and a payload: nothing for a frame that lies in its slot
// (frame-slots.ts, file descriptor 4), RGB bytes when the slot could not be written, JSON for an error.

/** Decode frames of one file: of a video, or of the pictures in a parquet column. */
export interface DecodeRun {
	readonly id: number;
	readonly path: string;
	/** Column of pictures; null for a video. */
	readonly column: string | null;
	/** Seconds in the video, or rows of the file; ascending. */
	readonly places: readonly number[];
	/** Half of the slot file that the run may use. */
	readonly half: number;
	/** Largest accepted distance between a time and a frame's own, seconds. */
	readonly toleranceS: number;
}

/** What a record carries. */
export const RECORD_KIND: Readonly<{ ready: 0; frame: 1; error: 2; slot: 3 }> = {
	ready: 0,
	frame: 1,
	error: 2,
	slot: 3,
};

/** Fields of a record's header, in order. */
export interface RecordHeader {
	readonly kind: number;
	readonly runId: number;
	/** Position of the frame in the run. */
	readonly position: number;
	readonly height: number;
	readonly width: number;
	readonly payloadBytes: number;
}

/** Size of a header on the pipe. */
export const HEADER_BYTES = 24;

/** Largest payload: an 8192 x 8192 picture; more means that the stream is out of step. */
export const MAX_PAYLOAD_BYTES: number = 8192 * 8192 * 3;

/** Payload of an error record. */
export interface DecodeFailure {
	readonly code: "bad-video" | "bad-image" | "frame-timestamp";
	readonly message: string;
}

/** The bytes of a header. */
export function encodeHeader(header: RecordHeader): Uint8Array {
	const { kind, runId, position, height, width, payloadBytes } = header;
	return new Uint8Array(Uint32Array.of(kind, runId, position, height, width, payloadBytes).buffer);
}

/** A parser of the pipe's bytes; calls `onRecord` with each complete record. */
export function createRecordParser(
	onRecord: (header: RecordHeader, payload: Uint8Array) => void,
): (chunk: Uint8Array) => void {
	const headerBytes = new Uint8Array(HEADER_BYTES);
	let header: RecordHeader | null = null;
	let target = headerBytes;
	let filled = 0;
	const complete = (): void => {
		filled = 0;
		if (header === null) {
			header = decodeHeader(headerBytes);
			target = new Uint8Array(header.payloadBytes);
			if (target.length > 0) return;
		}
		const done = header;
		const payload = target;
		header = null;
		target = headerBytes;
		onRecord(done, payload);
	};
	return (chunk) => {
		for (let at = 0; at < chunk.length; ) {
			const size = Math.min(target.length - filled, chunk.length - at);
			target.set(chunk.subarray(at, at + size), filled);
			at += size;
			filled += size;
			if (filled === target.length) complete();
		}
	};
}

function decodeHeader(bytes: Uint8Array): RecordHeader {
	const [kind = 0, runId = 0, position = 0, height = 0, width = 0, payloadBytes = 0] = new Uint32Array(
		bytes.slice().buffer,
	);
	if (payloadBytes > MAX_PAYLOAD_BYTES)
		throw new RangeError(`decoder pipe: a record of ${payloadBytes} bytes`);
	return { kind, runId, position, height, width, payloadBytes };
}
