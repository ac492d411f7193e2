// What decoding gives in a decoder process: a picture, or a failure that travels to the reader.
import type { DecodeFailure } from "./decode-protocol.ts";

/** A video or picture cannot give a frame. */
export class DecodeError extends Error {
	override readonly name = "DecodeError";
	readonly failure: DecodeFailure;

	constructor(code: DecodeFailure["code"], message: string) {
		super(message);
		this.failure = { code, message };
	}
}

/** A decoded picture; `rgb` is valid until the next call on the same decoder. */
export interface DecodedFrame {
	readonly height: number;
	readonly width: number;
	readonly rgb: Uint8Array;
}
