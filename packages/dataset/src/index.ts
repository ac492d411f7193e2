// Public names of @zk0/dataset.
export { DatasetError, type DatasetErrorCode, type DatasetErrorDetails } from "./errors.ts";
export { type RgbImage, rgbImage } from "./image.ts";
export type { CameraSpec, DatasetInfo, Feature } from "./info.ts";
export {
	aggregateFeatureStats,
	aggregateStats,
	collectImageStats,
	type FeatureStats,
	type Stats,
	vectorStats,
} from "./stats.ts";
export { encodeStats, parseStats } from "./stats-json.ts";
export type { VideoCodec } from "./video/codec.ts";
export {
	createDatasetWriter,
	type DatasetWriter,
	type DatasetWriterOptions,
	type EpisodeInput,
	type FrameSequence,
	type WrittenDataset,
} from "./writer.ts";
