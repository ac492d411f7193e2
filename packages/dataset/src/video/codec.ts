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
export const CODECS: Readonly<Record<VideoCodec, CodecSettings>> = {
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
