// What every use of the native library (node-av, low-level synchronous API) shares: checked return codes.
// Only child processes import this file: the library can crash natively.
// Known crash: a Dictionary passed to open2Sync is freed twice; set options one by one before opening instead.
import { type CodecContext, FFmpegError } from "node-av/lib";

/** A call of the native library failed; `code` is FFmpeg's negative number. */
export class NativeVideoError extends Error {
	override readonly name = "NativeVideoError";
	readonly code: number;

	constructor(what: string, code: number) {
		super(`${what}: ${new FFmpegError(code).message}`);
		this.code = code;
	}
}

/** A picture of 8192 x 8192, as many as a decoder's answer may hold; a header that claims more is damaged. */
export const MAX_PIXELS: number = 8192 * 8192;

/** Returns `code` when it is not negative. */
export function check(what: string, code: number): number {
	if (code < 0) throw new NativeVideoError(what, code);
	return code;
}

/** Sets private codec options before `open2Sync(codec, null)`. */
export function setCodecOptions(context: CodecContext, options: Readonly<Record<string, string>>): void {
	for (const [name, value] of Object.entries(options)) {
		check(`option ${name}=${value}`, context.setOption(name, value));
	}
}
