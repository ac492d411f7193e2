// Decoded frames of any pixel format as packed RGB bytes (swscale, bicubic). Runs in decoder processes only.
import { AV_PIX_FMT_RGB24, SWS_BICUBIC } from "node-av/constants";
import { Frame, SoftwareScaleContext } from "node-av/lib";
import { check } from "./av.ts";
import type { DecodedFrame } from "./decode-error.ts";

/** Converts frames one after the other; cheap while size and format stay. */
export class RgbConverter implements Disposable {
	readonly #rgb = new Frame();
	#scaler: SoftwareScaleContext | null = null;
	#scaledFormat = "";

	constructor() {
		this.#rgb.alloc();
	}

	/** The picture of `frame`, valid until the next call. */
	convert(frame: Frame): DecodedFrame {
		const { width, height, format } = frame;
		const key = `${width}x${height}:${format}`;
		if (this.#scaledFormat !== key) {
			this.#scaler?.freeContext();
			this.#scaler = new SoftwareScaleContext();
			// as: a decoded video frame's format is a pixel format.
			const pixelFormat = format as Parameters<SoftwareScaleContext["getContext"]>[2];
			this.#scaler.getContext(width, height, pixelFormat, width, height, AV_PIX_FMT_RGB24, SWS_BICUBIC);
			check("scaler", this.#scaler.initContext());
			this.#rgb.unref();
			this.#rgb.format = AV_PIX_FMT_RGB24;
			this.#rgb.width = width;
			this.#rgb.height = height;
			check("frame memory", this.#rgb.getBuffer());
			this.#scaledFormat = key;
		}
		check("convert to RGB", this.#scaler?.scaleFrameSync(this.#rgb, frame) ?? 0);
		return { height, width, rgb: this.#packed(height, width) };
	}

	/** Frees the native memory. */
	[Symbol.dispose](): void {
		this.#scaler?.freeContext();
		this.#rgb.free();
	}

	#packed(height: number, width: number): Uint8Array {
		const plane = this.#rgb.data?.[0];
		const stride = this.#rgb.linesize[0];
		if (plane === undefined || stride === undefined)
			throw new RangeError("the video library gave a frame without memory");
		const rowBytes = width * 3;
		if (stride === rowBytes) return plane.subarray(0, height * rowBytes);
		const packed = new Uint8Array(height * rowBytes);
		for (let row = 0; row < height; row++) {
			packed.set(plane.subarray(row * stride, row * stride + rowBytes), row * rowBytes);
		}
		return packed;
	}
}
