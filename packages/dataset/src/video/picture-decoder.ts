// Pictures that lie in a dataset's parquet rows ({bytes, path} structs of PNG or JPEG bytes), decoded by node-av's
// `png` and `mjpeg` decoders, as exactly as video frames are. Runs in decoder processes only.
import { AV_CODEC_ID_MJPEG, AV_CODEC_ID_PNG, type AVCodecID } from "node-av/constants";
import { Codec, CodecContext, Frame, Packet } from "node-av/lib";
import { causeText } from "../errors.ts";
import { check, MAX_PIXELS } from "./av.ts";
import { type DecodedFrame, DecodeError } from "./decode-error.ts";
import { RgbConverter } from "./rgb-converter.ts";

/** Decodes pictures one by one. */
export class PictureDecoder implements Disposable {
	readonly #packet = new Packet();
	readonly #frame = new Frame();
	readonly #converter = new RgbConverter();

	constructor() {
		this.#frame.alloc();
	}

	/**
	 * The picture as RGB, valid until the next call; transparency is dropped.
	 * @throws DecodeError "bad-image" for bytes that are not a whole PNG or JPEG picture.
	 */
	decode(bytes: Uint8Array): DecodedFrame {
		const context = new CodecContext();
		try {
			const codec = Codec.findDecoder(codecOf(bytes));
			if (codec === null) throw new DecodeError("bad-image", "no decoder for its format");
			context.allocContext3(codec);
			context.threadCount = 1;
			// Damaged data must fail, not be painted over.
			check("option err_detect", context.setOption("err_detect", "explode"));
			check("option max_pixels", context.setOption("max_pixels", String(MAX_PIXELS)));
			check("open decoder", context.open2Sync(codec, null));
			this.#packet.alloc();
			this.#packet.data = Buffer.from(bytes);
			check("decode", context.sendPacketSync(this.#packet));
			check("end of picture", context.sendPacketSync(null));
			check("decode", context.receiveFrameSync(this.#frame));
			if (this.#frame.decodeErrorFlags !== 0) throw new DecodeError("bad-image", "damaged picture data");
			return this.#converter.convert(this.#frame);
		} catch (cause) {
			throw cause instanceof DecodeError ? cause : new DecodeError("bad-image", causeText(cause));
		} finally {
			this.#packet.unref();
			context.freeContext();
		}
	}

	/** Frees the native memory. */
	[Symbol.dispose](): void {
		this.#packet.free();
		this.#frame.free();
		this.#converter[Symbol.dispose]();
	}
}

function codecOf(bytes: Uint8Array): AVCodecID {
	if (bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[2] === 0x4e && bytes[3] === 0x47)
		return AV_CODEC_ID_PNG;
	if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return AV_CODEC_ID_MJPEG;
	throw new DecodeError("bad-image", "it is neither PNG nor JPEG");
}
