// One open video file and the frame it stands on: frames by time, decoded forward when the next ones are asked for
// and after a seek to the keyframe before otherwise. Runs in decoder processes only.
import { AVERROR_EAGAIN, AVERROR_EOF, AVMEDIA_TYPE_VIDEO, AVSEEK_FLAG_BACKWARD } from "node-av/constants";
import { Codec, CodecContext, FormatContext, Frame, InputFormat, Packet, type Stream } from "node-av/lib";
import { causeText } from "../errors.ts";
import { check, MAX_PIXELS } from "./av.ts";
import { type DecodedFrame, DecodeError } from "./decode-error.ts";
import { RgbConverter } from "./rgb-converter.ts";

/** Frames up to this far ahead (seconds) are reached by decoding on instead of seeking. */
const DECODE_AHEAD_S = 0.5;

/** An open video file. */
export class VideoDecoder implements Disposable {
	readonly #format = new FormatContext();
	readonly #packet = new Packet();
	readonly #frame = new Frame();
	readonly #converter = new RgbConverter();
	readonly #codec = new CodecContext();
	readonly #stream: Stream;
	readonly #secondsPerTick: number;
	/** Time of the frame that was decoded last; null when the next call must seek. */
	#currentS: number | null = null;
	#draining = false;
	/** Packets given to the decoder since the last seek for which no frame has come out. */
	#numOwed = 0;

	/** Opens `path`. @throws DecodeError "bad-video" */
	constructor(path: string) {
		try {
			// Only the mp4 family: what calls itself a playlist or a concatenation would make FFmpeg open other files.
			check("open", this.#format.openInputSync(path, InputFormat.findInputFormat("mp4"), null));
			check("read streams", this.#format.findStreamInfoSync(null));
			const index = check("find a video stream", this.#format.findBestStream(AVMEDIA_TYPE_VIDEO));
			const stream = this.#format.streams[index];
			const codec = stream === undefined ? null : Codec.findDecoder(stream.codecpar.codecId);
			if (stream === undefined || codec === null)
				throw new DecodeError("bad-video", "no decoder for its codec");
			this.#stream = stream;
			this.#secondsPerTick = stream.timeBase.num / stream.timeBase.den;
			this.#codec.allocContext3(codec);
			check("codec parameters", this.#codec.parametersToContext(stream.codecpar));
			this.#codec.pktTimebase = stream.timeBase;
			this.#codec.threadCount = 1;
			// Damaged data must fail, not be painted over.
			check("option err_detect", this.#codec.setOption("err_detect", "explode"));
			check("option max_pixels", this.#codec.setOption("max_pixels", String(MAX_PIXELS)));
			check("open decoder", this.#codec.open2Sync(codec, null));
			this.#packet.alloc();
			this.#frame.alloc();
		} catch (cause) {
			this[Symbol.dispose]();
			throw new DecodeError("bad-video", causeText(cause));
		}
	}

	/** The frame at `timeS`. @throws DecodeError "bad-video", "frame-timestamp" */
	frameAt(timeS: number, toleranceS: number): DecodedFrame {
		try {
			const current = this.#currentS;
			const isCurrent = current !== null && Math.abs(current - timeS) <= toleranceS;
			if (!isCurrent) {
				if (current === null || timeS < current || timeS - current > DECODE_AHEAD_S) this.#seek(timeS);
				this.#decodeUntil(timeS, toleranceS);
			}
			return this.#converter.convert(this.#frame);
		} catch (cause) {
			this.#currentS = null;
			throw cause instanceof DecodeError ? cause : new DecodeError("bad-video", causeText(cause));
		}
	}

	/** Frees the native memory. */
	[Symbol.dispose](): void {
		this.#codec.freeContext();
		this.#packet.free();
		this.#frame.free();
		this.#converter[Symbol.dispose]();
		this.#format.closeInputSync();
	}

	#seek(timeS: number): void {
		const ticks = BigInt(Math.round(timeS / this.#secondsPerTick));
		check("seek", this.#format.seekFrameSync(this.#stream.index, ticks, AVSEEK_FLAG_BACKWARD));
		this.#codec.flushBuffers();
		this.#draining = false;
		this.#numOwed = 0;
		this.#currentS = null;
	}

	#decodeUntil(timeS: number, toleranceS: number): void {
		let nearestS: number | null = this.#currentS;
		while (this.#nextFrame()) {
			const frameS = Number(this.#frame.bestEffortTimestamp) * this.#secondsPerTick;
			this.#currentS = frameS;
			if (Math.abs(frameS - timeS) <= toleranceS) return;
			if (nearestS === null || Math.abs(frameS - timeS) < Math.abs(nearestS - timeS)) nearestS = frameS;
			if (frameS > timeS) break;
		}
		if (this.#draining && this.#numOwed > 0) {
			throw new DecodeError("bad-video", `${this.#numOwed} damaged frames from ${nearestS ?? timeS} s on`);
		}
		const nearest =
			nearestS === null ? "there is no frame from there on" : `the nearest frame is at ${nearestS} s`;
		throw new DecodeError("frame-timestamp", `no frame within ${toleranceS} s of ${timeS} s: ${nearest}`);
	}

	/** Decodes the next frame into `#frame`; false at the end of the file. */
	#nextFrame(): boolean {
		for (;;) {
			const received = this.#codec.receiveFrameSync(this.#frame);
			if (received === AVERROR_EOF) return false;
			if (received !== AVERROR_EAGAIN) {
				check("decode", received);
				this.#numOwed--;
				if (this.#frame.decodeErrorFlags !== 0) throw new DecodeError("bad-video", "damaged frame data");
				return true;
			}
			if (this.#draining) return false;
			this.#sendPacket();
		}
	}

	#sendPacket(): void {
		for (;;) {
			const read = this.#format.readFrameSync(this.#packet);
			if (read === AVERROR_EOF) {
				this.#draining = true;
				check("end of stream", this.#codec.sendPacketSync(null));
				return;
			}
			check("read packet", read);
			const isOurs = this.#packet.streamIndex === this.#stream.index;
			const sent = isOurs ? this.#codec.sendPacketSync(this.#packet) : 0;
			this.#packet.unref();
			check("decode packet", sent);
			if (isOurs) {
				this.#numOwed++;
				return;
			}
		}
	}
}
