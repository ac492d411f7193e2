// The two codecs that datasets are recorded with, and their encoder settings (LeRobot's defaults for AV1:
// libsvtav1, preset 12, crf 30, g 2). Pure data: the native library is only loaded in child processes.

/** Video codecs that the writer offers. */
export type VideoCodec = "av1" | "h264";

/** Encoder name of the native library and its options, plus what info.json says about the stream. */
export interface CodecSettings {
	readonly encoder: string;
	readonly options: Readonly<Record<string, string>>;
	readonly gopSize: number;
	/** Extra keys of the feature's `info`, under `video.`. */
	readonly info: Readonly<Record<string, string | number>>;
}

/** Settings by codec; a keyframe every second frame keeps random access to two decodes. */
const CODECS: Readonly<Record<VideoCodec, CodecSettings>> = {
	av1: {
		encoder: "libsvtav1",
		options: { crf: "30", preset: "12", "svtav1-params": "fast-decode=0" },
		gopSize: 2,
		info: { "video.codec": "av1", "video.g": 2, "video.crf": 30, "video.preset": 12 },
	},
	h264: {
		encoder: "libx264",
		options: { crf: "23", preset: "veryfast" },
		gopSize: 2,
		info: { "video.codec": "h264", "video.g": 2, "video.crf": 23, "video.preset": "veryfast" },
	},
};

/** What of the settings may be chosen. */
export interface EncoderChoice {
	/** Frames from one keyframe to the next: 2 is quick to read at random, more is smaller. @default 2 */
	readonly gop?: number;
	/** Constant rate factor, 0..63 (av1) or 0..51 (h264); higher is smaller and worse. @default 30 (av1), 23 (h264) */
	readonly crf?: number;
}

/** The settings of a codec with what was chosen. @throws RangeError for values out of range. */
export function codecSettings(codec: VideoCodec, { gop, crf }: EncoderChoice = {}): CodecSettings {
	const base = CODECS[codec];
	const mostCrf = codec === "av1" ? 63 : 51;
	if (gop !== undefined && !(Number.isSafeInteger(gop) && gop >= 1 && gop <= 1000))
		throw new RangeError(`codecSettings: gop ${gop} is not in 1..1000`);
	if (crf !== undefined && !(Number.isSafeInteger(crf) && crf >= 0 && crf <= mostCrf))
		throw new RangeError(`codecSettings: crf ${crf} is not in 0..${mostCrf}`);
	return {
		...base,
		gopSize: gop ?? base.gopSize,
		options: { ...base.options, ...(crf === undefined ? {} : { crf: String(crf) }) },
		info: {
			...base.info,
			...(gop === undefined ? {} : { "video.g": gop }),
			...(crf === undefined ? {} : { "video.crf": crf }),
		},
	};
}
