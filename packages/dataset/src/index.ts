// Public names of @zk0/dataset.
export type { ComposedDataset, ComposeOptions } from "./compose.ts";
export type { VideoAccount } from "./compose-cameras.ts";
export {
	cameraKeysOf,
	findLayout,
	type LeRobotDataset,
	listDatasetFiles,
	type OpenDatasetOptions,
	openDataset,
} from "./dataset.ts";
export { type ComputeStatsOptions, computeStats } from "./dataset-stats.ts";
export {
	convertDataset,
	mergeDatasets,
	reencodeDataset,
	type SplitParts,
	splitDataset,
	splitParts,
	subsetDataset,
} from "./edit.ts";
export { DatasetError, type DatasetErrorCode, type DatasetErrorDetails } from "./errors.ts";
export { type DatasetDigest, digestDataset } from "./fingerprint.ts";
export {
	createFrameReader,
	type FrameReader,
	type FrameReaderOptions,
	type FrameRequest,
} from "./frame-reader.ts";
export { type RgbImage, rgbImage } from "./image.ts";
export { type CameraSpec, type DatasetInfo, type Feature, infoSchema } from "./info.ts";
export type { DatasetLayout, Episode, RecordedEpisode, VideoSegment } from "./layout.ts";
export { type ParquetTable, readParquet } from "./parquet/read.ts";
export { type PartitionScheme, partitionEpisodes, taskOf } from "./partition.ts";
export { type Rows, TIMESTAMP_TOLERANCE_S } from "./rows.ts";
export {
	actionChunk,
	type BatchOptions,
	createSampleSource,
	type ReadSampleOptions,
	type Sample,
	type SampleSource,
	type SampleSourceOptions,
} from "./sample-source.ts";
export { createSampler, type Sampler } from "./sampler.ts";
export { type DatasetSelection, placeEpisodes } from "./selection.ts";
export { type EpisodeSplit, splitEpisodes } from "./split.ts";
export {
	aggregateFeatureStats,
	aggregateStats,
	collectImageStats,
	type FeatureStats,
	type ImageStatsCollector,
	type Stats,
	vectorStats,
} from "./stats.ts";
export { encodeStats, parseStats } from "./stats-json.ts";
export type { EncoderChoice, VideoCodec } from "./video/codec.ts";
export {
	createDatasetWriter,
	type DatasetWriter,
	type DatasetWriterOptions,
	type EpisodeInput,
	type FrameSequence,
	type VideoCut,
	type WrittenDataset,
} from "./writer.ts";
