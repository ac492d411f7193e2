// One camera's mp4 files while they are being written: an encoder per episode (so that every episode starts with
// a keyframe and can later be cut out without re-encoding), a muxer per file. Runs in the encoder process only.
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import {
	AV_CODEC_FLAG_GLOBAL_HEADER,
	AV_PIX_FMT_RGB24,
	AV_PIX_FMT_YUV420P,
	AVERROR_EAGAIN,
	AVERROR_EOF,
	AVFMT_FLAG_BITEXACT,
	type AVPixelFormat,
	SWS_BICUBIC,
} from "node-av/constants";
import {
	Codec,
	CodecContext,
	type CodecParameters,
	FormatContext,
	Frame,
	Packet,
	Rational,
	SoftwareScaleContext,
	type Stream,
} from "node-av/lib";
import { fillPath } from "../info.ts";
import { check, NativeVideoError, setCodecOptions } from "./av.ts";
import type { CutSpec, EncodeSetup, EpisodeVideo } from "./encode-protocol.ts";
import { PacketSource } from "./video-cut.ts";

interface Muxer {
	readonly path: string;
	/** What its stream is: packets of another kind need a file of their own. */
	readonly kind: string;
	readonly format: FormatContext;
	stream: Stream | null;
	numFrames: number;
	sizeBytes: number;
}

/** Encodes the frames of one camera into as many files as the size limit asks for. */
export class CameraRecorder implements Disposable {
	readonly #setup: EncodeSetup;
	readonly #camera: EncodeSetup["cameras"][number];
	readonly #rgb: Frame;
	readonly #yuv: Frame;
	readonly #scaler = new SoftwareScaleContext();
	readonly #packet = new Packet();
	#muxer: Muxer | null = null;
	#encoder: CodecContext | null = null;
	#source: PacketSource | null = null;
	#fileNumber = -1;
	#episodeFirstFrame = 0;
	#frameInEpisode = 0;

	constructor(setup: EncodeSetup, camera: EncodeSetup["cameras"][number]) {
		this.#setup = setup;
		this.#camera = camera;
		const { width, height } = camera;
		this.#rgb = newFrame(AV_PIX_FMT_RGB24, width, height);
		this.#yuv = newFrame(AV_PIX_FMT_YUV420P, width, height);
		this.#scaler.getContext(width, height, AV_PIX_FMT_RGB24, width, height, AV_PIX_FMT_YUV420P, SWS_BICUBIC);
		check("scaler", this.#scaler.initContext());
		this.#packet.alloc();
	}

	/** Path of the file being written, for messages. */
	get path(): string {
		return this.#muxer?.path ?? this.#camera.key;
	}

	/** Starts an episode of `numFrames`; begins a new file when the current one would grow past the limit. */
	beginEpisode(numFrames: number): void {
		const muxer = this.#muxer;
		const perFrame = muxer === null ? 0 : muxer.sizeBytes / muxer.numFrames;
		this.#openFile(ENCODED, perFrame * numFrames);
		this.#encoder = this.#openEncoder();
	}

	/** Writes an episode by copying compressed frames. @throws RangeError for a cut that cannot be copied. */
	copyEpisode(cut: CutSpec): void {
		if (this.#source?.path !== cut.path) {
			this.#source?.[Symbol.dispose]();
			this.#source = new PacketSource(cut.path);
		}
		const source = this.#source;
		this.#openFile(source.compatibilityKey, source.sizeOf(cut));
		const muxer = this.#muxer;
		if (muxer === null) throw new RangeError("copyEpisode: no file is open");
		if (muxer.stream === null) {
			this.#startStream(muxer, (parameters) => {
				const code = source.parameters.copy(parameters);
				parameters.codecTag = 0;
				return code;
			});
		}
		source.copy(cut, (packet) => {
			packet.pts += BigInt(this.#episodeFirstFrame);
			packet.dts += BigInt(this.#episodeFirstFrame);
			this.#writePacket(muxer, packet);
		});
		this.#frameInEpisode = cut.numFrames;
	}

	/** Encodes one frame of [height, width, 3] bytes. */
	addFrame(rgb: Uint8Array): void {
		const encoder = this.#encoder;
		if (encoder === null) throw new RangeError("addFrame: no episode has begun");
		this.#fill(rgb);
		check("makeWritable", this.#yuv.makeWritable());
		check("scale", this.#scaler.scaleFrameSync(this.#yuv, this.#rgb));
		this.#yuv.pts = BigInt(this.#episodeFirstFrame + this.#frameInEpisode);
		this.#frameInEpisode++;
		check("encode", encoder.sendFrameSync(this.#yuv));
		this.#drain(encoder);
	}

	/** Ends the episode: every frame is in the file. */
	endEpisode(): EpisodeVideo {
		const encoder = this.#encoder;
		const muxer = this.#muxer;
		if (muxer === null) throw new RangeError("endEpisode: no episode has begun");
		if (encoder !== null) {
			check("flush encoder", encoder.sendFrameSync(null));
			this.#drain(encoder);
			encoder.freeContext();
			this.#encoder = null;
		}
		if (muxer.numFrames !== this.#episodeFirstFrame + this.#frameInEpisode) {
			throw new RangeError(
				`encoder returned ${muxer.numFrames - this.#episodeFirstFrame} of ${this.#frameInEpisode} frames`,
			);
		}
		return {
			camera: this.#camera.key,
			chunkIndex: Math.floor(this.#fileNumber / this.#setup.filesPerChunk),
			fileIndex: this.#fileNumber % this.#setup.filesPerChunk,
			fromTimestamp: this.#episodeFirstFrame / this.#setup.fps,
			toTimestamp: muxer.numFrames / this.#setup.fps,
		};
	}

	/** Finalises the open file. */
	finish(): void {
		const muxer = this.#muxer;
		if (muxer === null) return;
		this.#muxer = null;
		if (muxer.stream !== null) check("trailer", muxer.format.writeTrailerSync());
		muxer.format.closeOutputSync();
		muxer.format.freeContext();
	}

	/** Frees the native memory; an unfinished file stays broken. */
	[Symbol.dispose](): void {
		this.#source?.[Symbol.dispose]();
		this.#encoder?.freeContext();
		this.#muxer?.format.freeContext();
		this.#scaler.freeContext();
		this.#packet.free();
		this.#rgb.free();
		this.#yuv.free();
	}

	/** Makes the open file one for `expectedBytes` more of `kind`, and begins an episode in it. */
	#openFile(kind: string, expectedBytes: number): void {
		const muxer = this.#muxer;
		const isFull = muxer !== null && muxer.sizeBytes + expectedBytes >= this.#setup.fileSizeBytes;
		if (muxer === null || isFull || muxer.kind !== kind) this.#nextFile(kind);
		this.#episodeFirstFrame = this.#muxer?.numFrames ?? 0;
		this.#frameInEpisode = 0;
	}

	#nextFile(kind: string): void {
		this.finish();
		this.#fileNumber++;
		const path = join(
			this.#setup.root,
			fillPath(this.#setup.pathTemplate, {
				video_key: this.#camera.key,
				chunk_index: Math.floor(this.#fileNumber / this.#setup.filesPerChunk),
				file_index: this.#fileNumber % this.#setup.filesPerChunk,
			}),
		);
		mkdirSync(dirname(path), { recursive: true });
		const format = new FormatContext();
		check(`open ${path}`, format.allocOutputContext2(null, "mp4", path));
		format.setFlags(AVFMT_FLAG_BITEXACT);
		this.#muxer = { path, kind, format, stream: null, numFrames: 0, sizeBytes: 0 };
	}

	#openEncoder(): CodecContext {
		const { codec, fps } = this.#setup;
		const encoder = Codec.findEncoderByName(
			// as: the settings table names encoders that this build has; a missing one is reported below.
			codec.encoder as Parameters<typeof Codec.findEncoderByName>[0],
		);
		if (encoder === null) throw new RangeError(`the video library has no encoder ${codec.encoder}`);
		const context = new CodecContext();
		context.allocContext3(encoder);
		context.width = this.#camera.width;
		context.height = this.#camera.height;
		context.pixelFormat = AV_PIX_FMT_YUV420P;
		context.timeBase = new Rational(1, fps);
		context.framerate = new Rational(fps, 1);
		context.gopSize = codec.gopSize;
		context.maxBFrames = 0;
		context.threadCount = 1;
		context.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
		setCodecOptions(context, codec.options);
		check(`open ${codec.encoder}`, context.open2Sync(encoder, null));
		if (this.#muxer !== null && this.#muxer.stream === null)
			this.#startStream(this.#muxer, (parameters) => parameters.fromContext(context));
		return context;
	}

	#startStream(muxer: Muxer, fill: (parameters: CodecParameters) => number): void {
		const stream = muxer.format.newStream(null);
		stream.timeBase = new Rational(1, this.#setup.fps);
		stream.avgFrameRate = new Rational(this.#setup.fps, 1);
		check("stream parameters", fill(stream.codecpar));
		check(`create ${muxer.path}`, muxer.format.openOutputSync());
		check(`header of ${muxer.path}`, muxer.format.writeHeaderSync(null));
		muxer.stream = stream;
	}

	#fill(rgb: Uint8Array): void {
		const { width, height } = this.#camera;
		check("makeWritable", this.#rgb.makeWritable());
		const plane = this.#rgb.data?.[0];
		const stride = this.#rgb.linesize[0];
		if (plane === undefined || stride === undefined)
			throw new RangeError("the video library gave a frame without memory");
		for (let row = 0; row < height; row++) {
			plane.set(rgb.subarray(row * width * 3, (row + 1) * width * 3), row * stride);
		}
	}

	#drain(encoder: CodecContext): void {
		const muxer = this.#muxer;
		if (muxer?.stream === null || muxer === null) throw new RangeError("drain: no stream");
		for (;;) {
			const code = encoder.receivePacketSync(this.#packet);
			if (code === AVERROR_EAGAIN || code === AVERROR_EOF) return;
			if (code < 0) throw new NativeVideoError("receive packet", code);
			this.#packet.duration = 1n;
			this.#writePacket(muxer, this.#packet);
			this.#packet.unref();
		}
	}

	/** Writes a packet whose times are frames of the file. */
	#writePacket(muxer: Muxer, packet: Packet): void {
		if (muxer.stream === null) throw new RangeError("writePacket: no stream");
		packet.streamIndex = 0;
		muxer.sizeBytes += packet.size;
		muxer.numFrames++;
		packet.rescaleTs({ num: 1, den: this.#setup.fps }, muxer.stream.timeBase);
		check(`write ${muxer.path}`, muxer.format.writeFrameSync(packet));
	}
}

/** Kind of the files whose packets come from our own encoder. */
const ENCODED = "encoded";

function newFrame(format: AVPixelFormat, width: number, height: number): Frame {
	const frame = new Frame();
	frame.alloc();
	frame.format = format;
	frame.width = width;
	frame.height = height;
	check("frame memory", frame.getBuffer());
	return frame;
}
