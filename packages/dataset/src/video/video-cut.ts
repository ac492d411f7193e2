// The compressed frames of one video file, and stretches of it that can be copied without encoding again: those
// that begin with a keyframe, hold exactly the wanted frames in one piece, and need no frame outside. Runs in child
// processes only.
import {
	AV_CODEC_ID_AV1,
	AV_CODEC_ID_H264,
	AV_CODEC_ID_HEVC,
	AV_CODEC_ID_MPEG4,
	AV_CODEC_ID_VP9,
	AVERROR_EOF,
	AVMEDIA_TYPE_VIDEO,
	type AVPixelFormat,
	AVSEEK_FLAG_BACKWARD,
} from "node-av/constants";
import {
	avGetPixFmtName,
	type CodecParameters,
	FormatContext,
	InputFormat,
	Packet,
	type Stream,
} from "node-av/lib";
import { causeText } from "../errors.ts";
import { check } from "./av.ts";
import type { CutProbe, CutSpec } from "./encode-protocol.ts";

const CODEC_NAMES: ReadonlyMap<number, string> = new Map([
	[AV_CODEC_ID_AV1, "av1"],
	[AV_CODEC_ID_H264, "h264"],
	[AV_CODEC_ID_HEVC, "hevc"],
	[AV_CODEC_ID_MPEG4, "mpeg4"],
	[AV_CODEC_ID_VP9, "vp9"],
]);

/** One compressed frame; times in ticks of the stream. */
interface PacketInfo {
	readonly pts: number;
	readonly dts: number;
	readonly isKey: boolean;
	readonly sizeBytes: number;
}

/** Packets `first` to `first + numPackets - 1` in order of decoding. */
interface PacketRange {
	readonly first: number;
	readonly numPackets: number;
}

/** An open video file and the list of its packets. */
export class PacketSource implements Disposable {
	readonly path: string;
	readonly #format = new FormatContext();
	readonly #stream: Stream;
	readonly #secondsPerTick: number;
	readonly #packets: readonly PacketInfo[];

	/** Opens `path` and lists its packets. @throws NativeVideoError, RangeError when it has no video. */
	constructor(path: string) {
		this.path = path;
		try {
			// Only the mp4 family, as in video-decoder.ts.
			check("open", this.#format.openInputSync(path, InputFormat.findInputFormat("mp4"), null));
			check("read streams", this.#format.findStreamInfoSync(null));
			const stream = this.#format.streams[check("video", this.#format.findBestStream(AVMEDIA_TYPE_VIDEO))];
			if (stream === undefined) throw new RangeError(`${path} has no video`);
			this.#stream = stream;
			this.#secondsPerTick = stream.timeBase.num / stream.timeBase.den;
			this.#packets = this.#list();
		} catch (cause) {
			this[Symbol.dispose]();
			throw cause;
		}
	}

	/** Parameters of the stream; valid until disposal. */
	get parameters(): CodecParameters {
		return this.#stream.codecpar;
	}

	/** Equal for streams whose packets may follow each other in one file. */
	get compatibilityKey(): string {
		const { codecId, width, height, format, extradata } = this.parameters;
		return [codecId, width, height, format, extradata?.toString("base64") ?? ""].join(":");
	}

	/** What the stream is, and whether `cut` can be copied. */
	probe(cut: CutSpec): CutProbe {
		const { codecId, width, height, format } = this.parameters;
		const range = this.#range(cut);
		return {
			codec: CODEC_NAMES.get(codecId) ?? `codec ${codecId}`,
			// as: the format of a video stream is a pixel format.
			pixelFormat: avGetPixFmtName(format as AVPixelFormat) ?? "unknown",
			height,
			width,
			problem: typeof range === "string" ? range : null,
		};
	}

	/** Bytes of a cut's packets. @throws RangeError for a cut that cannot be copied. */
	sizeOf(cut: CutSpec): number {
		const { first, numPackets } = this.#checkedRange(cut);
		const packets = this.#packets.slice(first, first + numPackets);
		return packets.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
	}

	/**
	 * Gives the packets of a cut in order of decoding, with times in frames from the start of the cut (decoding times
	 * may be negative); the packet is the callback's for the call only.
	 * @throws RangeError for a cut that cannot be copied.
	 */
	copy(cut: CutSpec, onPacket: (packet: Packet) => void): void {
		const { first, numPackets } = this.#checkedRange(cut);
		const start = this.#packets[first];
		const index = this.#stream.index;
		check("seek", this.#format.seekFrameSync(index, BigInt(start?.pts ?? 0), AVSEEK_FLAG_BACKWARD));
		const packet = new Packet();
		packet.alloc();
		try {
			for (let done = 0; done < numPackets; ) {
				check(`read ${this.path}`, this.#format.readFrameSync(packet));
				const info = this.#packets[first + done];
				const isNext = packet.streamIndex === index && info !== undefined && Number(packet.dts) === info.dts;
				if (isNext) {
					packet.pts = BigInt(this.#frameOf(info.pts, cut));
					packet.dts = BigInt(this.#frameOf(info.dts, cut));
					packet.duration = 1n;
					packet.pos = -1n;
					onPacket(packet);
					done++;
				}
				packet.unref();
			}
		} finally {
			packet.free();
		}
	}

	/** Closes the file. */
	[Symbol.dispose](): void {
		this.#format.closeInputSync();
	}

	#list(): PacketInfo[] {
		const packets: PacketInfo[] = [];
		const packet = new Packet();
		packet.alloc();
		try {
			for (;;) {
				const code = this.#format.readFrameSync(packet);
				if (code === AVERROR_EOF) return packets;
				check("read packet", code);
				const { pts, dts, isKeyframe: isKey, size: sizeBytes } = packet;
				if (packet.streamIndex === this.#stream.index)
					packets.push({ pts: Number(pts), dts: Number(dts), isKey, sizeBytes });
				packet.unref();
			}
		} finally {
			packet.free();
		}
	}

	/** Frame number from the start of the cut, to the nearest. */
	#frameOf(ticks: number, { fromTimestamp, fps }: CutSpec): number {
		return Math.round((ticks * this.#secondsPerTick - fromTimestamp) * fps);
	}

	#checkedRange(cut: CutSpec): PacketRange {
		const range = this.#range(cut);
		if (typeof range === "string") throw new RangeError(`${this.path} cannot be cut: ${range}`);
		return range;
	}

	/** The packets of a cut, or why they cannot be copied. */
	#range(cut: CutSpec): PacketRange | string {
		const { fromTimestamp, numFrames, fps, toleranceS } = cut;
		const inside = (frame: number): boolean => frame >= 0 && frame < numFrames;
		const first = this.#packets.findIndex(({ pts }) => inside(this.#frameOf(pts, cut)));
		const part = this.#packets.slice(first, first + numFrames);
		if (first < 0 || part.length < numFrames) return `it has fewer than ${numFrames} frames from there on`;
		if (part[0]?.isKey !== true) return "it does not begin with a keyframe";
		const seen = new Set<number>();
		let lastDecoded = Number.NEGATIVE_INFINITY;
		for (const { pts, dts } of part) {
			const frame = this.#frameOf(pts, cut);
			const decoded = this.#frameOf(dts, cut);
			const offS = Math.abs(pts * this.#secondsPerTick - fromTimestamp - frame / fps);
			if (!inside(frame) || seen.has(frame)) return "its frames are mixed with those of its neighbours";
			if (!(offS <= toleranceS)) return "its frames are not at multiples of 1/fps";
			if (decoded <= lastDecoded || decoded > frame) return "its order of decoding is irregular";
			seen.add(frame);
			lastDecoded = decoded;
		}
		return { first, numPackets: numFrames };
	}
}

/** Probes cuts, file by file; a file that cannot be read is a problem, too. */
export function probeCuts(cuts: readonly CutSpec[]): CutProbe[] {
	const failed: CutProbe = { codec: "unknown", pixelFormat: "unknown", height: 0, width: 0, problem: null };
	const probes: CutProbe[] = cuts.map(() => failed);
	const byPath = new Map<string, number[]>();
	for (const [index, { path }] of cuts.entries()) {
		const same = byPath.get(path);
		if (same === undefined) byPath.set(path, [index]);
		else same.push(index);
	}
	for (const [path, indices] of byPath) {
		try {
			using source = new PacketSource(path);
			for (const index of indices) {
				const cut = cuts[index];
				if (cut !== undefined) probes[index] = source.probe(cut);
			}
		} catch (cause) {
			for (const index of indices) probes[index] = { ...failed, problem: causeText(cause) };
		}
	}
	return probes;
}
