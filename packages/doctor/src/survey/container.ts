// What an mp4 file says about its video track: codec, size, number of frames, rate. Reads box headers and a few tables
// (ISO/IEC 14496-12) without decoding; every size comes from outside and is bounded, so a damaged file ends in null
// or a reason and not in a crash of this process.
import { type FileHandle, open } from "node:fs/promises";

/** Facts of the first video track. */
export interface ContainerFacts {
	/** "av1", "h264", "hevc", "mpeg4", "vp9", or the four-character code of anything else. */
	readonly codec: string;
	readonly height: number;
	readonly width: number;
	readonly numFrames: number;
	/** Mean rate; null when the track has no duration. */
	readonly fps: number | null;
}

const CODEC_OF: Readonly<Record<string, string>> = {
	av01: "av1",
	avc1: "h264",
	avc3: "h264",
	hev1: "hevc",
	hvc1: "hevc",
	mp4v: "mpeg4",
	vp09: "vp9",
	vp08: "vp8",
};

/** Tables of an hour at 60 fps are below 2 MB. */
const MAX_MOOV_BYTES = 64 * 1024 * 1024;
const MAX_BOXES = 100_000;

interface Box {
	readonly type: string;
	/** First byte after the header. */
	readonly start: number;
	readonly end: number;
}

/** Reads the facts. A string is the reason why there are none. */
export async function readContainer(path: string): Promise<ContainerFacts | string> {
	const handle = await open(path, "r").catch(() => null);
	if (handle === null) return "it cannot be opened";
	try {
		const moov = await findMoov(handle);
		if (typeof moov === "string") return moov;
		for (const trak of boxes(moov, 0, moov.length).filter(({ type }) => type === "trak")) {
			const facts = trackFacts(moov, trak);
			if (facts !== null) return facts;
		}
		return "it has no video track";
	} finally {
		await handle.close();
	}
}

async function findMoov(handle: FileHandle): Promise<Buffer | string> {
	const { size } = await handle.stat();
	const header = Buffer.alloc(16);
	let at = 0;
	for (let count = 0; at + 8 <= size && count < MAX_BOXES; count++) {
		const { bytesRead } = await handle.read(header, 0, 16, at);
		if (bytesRead < 8) break;
		const box = headerOf(header.subarray(0, bytesRead), at, size);
		if (box === null || (count === 0 && !/^[\x20-\x7e]{4}$/.test(box.type)))
			return "it is not an mp4 file, or cut off";
		if (box.type === "moov") {
			if (box.end > size) return "it is cut off inside its index";
			if (box.end - box.start > MAX_MOOV_BYTES) return "its index is larger than any recording's";
			const moov = Buffer.alloc(box.end - box.start);
			const read = await handle.read(moov, 0, moov.length, box.start);
			return read.bytesRead === moov.length ? moov : "it is cut off inside its index";
		}
		at = box.end;
	}
	return "it has no index (moov): the recording was cut off before it was closed";
}

function headerOf(bytes: Buffer, at: number, limit: number): Box | null {
	if (bytes.length < 8) return null;
	const size = bytes.readUInt32BE(0);
	const type = bytes.toString("latin1", 4, 8);
	if (size === 0) return { type, start: at + 8, end: limit };
	if (size === 1) {
		if (bytes.length < 16) return null;
		const large = Number(bytes.readBigUInt64BE(8));
		return large < 16 || !Number.isSafeInteger(large) ? null : { type, start: at + 16, end: at + large };
	}
	return size < 8 ? null : { type, start: at + 8, end: at + size };
}

/** The boxes between two offsets; stops at the first that does not fit. */
function boxes(bytes: Buffer, from: number, to: number): Box[] {
	const found: Box[] = [];
	let at = from;
	while (at + 8 <= to && found.length < MAX_BOXES) {
		const box = headerOf(bytes.subarray(at, Math.min(at + 16, to)), at, to);
		if (box === null || box.end > to) break;
		found.push(box);
		at = box.end;
	}
	return found;
}

function descend(bytes: Buffer, from: Box, ...path: readonly string[]): Box | null {
	let box: Box | null = from;
	for (const type of path) {
		box = boxes(bytes, box.start, box.end).find((child) => child.type === type) ?? null;
		if (box === null) return null;
	}
	return box;
}

function trackFacts(moov: Buffer, trak: Box): ContainerFacts | null {
	const handler = descend(moov, trak, "mdia", "hdlr");
	const isVideo =
		handler !== null && moov.toString("latin1", handler.start + 8, handler.start + 12) === "vide";
	const header = descend(moov, trak, "mdia", "mdhd");
	const table = descend(moov, trak, "mdia", "minf", "stbl");
	if (!isVideo || header === null || table === null) return null;
	const sizes = descend(moov, table, "stsz");
	const entries = descend(moov, table, "stsd");
	const entry = entries === null ? undefined : boxes(moov, entries.start + 8, entries.end)[0];
	if (
		sizes === null ||
		sizes.end - sizes.start < 12 ||
		entry === undefined ||
		entry.end - entry.start < 28 ||
		header.end - header.start < 20
	)
		return null;
	const isLong = moov[header.start] === 1;
	if (isLong && header.end - header.start < 32) return null;
	const timescale = moov.readUInt32BE(header.start + (isLong ? 20 : 12));
	const duration = isLong
		? Number(moov.readBigUInt64BE(header.start + 24))
		: moov.readUInt32BE(header.start + 16);
	const numFrames = moov.readUInt32BE(sizes.start + 8);
	return {
		codec: CODEC_OF[entry.type] ?? entry.type,
		width: moov.readUInt16BE(entry.start + 24),
		height: moov.readUInt16BE(entry.start + 26),
		numFrames,
		fps: duration > 0 && timescale > 0 ? (numFrames * timescale) / duration : null,
	};
}
