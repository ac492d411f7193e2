// What the episode viewer is told: the recordings, one episode's joints, and what a model would have done.
import { z } from "zod";

const names = z.array(z.object({ name: z.string(), unit: z.enum(["deg", "percent"]) }));

/** Schema of {@link RecordingsView}. */
export const recordingsViewSchema = z.object({
	/** Name of the dataset. */
	dataset: z.string(),
	fps: z.number(),
	robotType: z.string().nullable(),
	/** By dataset key; `pictures`: no video, or one that browsers do not play. */
	cameras: z.array(
		z.object({
			key: z.string(),
			kind: z.enum(["video", "pictures"]),
			/** Null: unknown. */
			width: z.number().nullable(),
			height: z.number().nullable(),
		}),
	),
	/** The action's numbers; grippers in percent. */
	actions: names,
	/** The state's numbers. */
	states: names,
	/** What can predict, the oldest first. */
	models: z.array(z.object({ id: z.string(), label: z.string(), round: z.number().nullable() })),
	episodes: z.array(
		z.object({
			index: z.number(),
			/** Its number on disk, where episodes were left out. */
			recordedIndex: z.number(),
			frames: z.number(),
			tasks: z.array(z.string()),
			/** Null: nobody trains on these recordings, so nothing is held out. */
			part: z.enum(["train", "held out"]).nullable(),
		}),
	),
});

/** The recordings of a site. */
export type RecordingsView = z.infer<typeof recordingsViewSchema>;

/** Null: what was recorded is no number. */
const tracks = z.array(z.array(z.number().nullable()));

/** Schema of {@link EpisodeView}. */
export const episodeViewSchema = z.object({
	index: z.number(),
	frames: z.number(),
	task: z.string(),
	/** Seconds in its file at which each video begins, by camera. */
	videoFrom: z.record(z.string(), z.number()),
	/** One list per number, one value per frame, as recorded; they are the rows' float32 exactly. */
	state: tracks,
	action: tracks,
});

/** One episode's joints. */
export type EpisodeView = z.infer<typeof episodeViewSchema>;

/** Schema of {@link PredictionView}. */
export const predictionViewSchema = z.object({
	/** Frames from one chunk to the next. */
	every: z.number(),
	/** First frames of the chunks. */
	chunks: z.array(z.number()),
	/** In the order of the action's numbers; errors are means over the episode, in the number's unit. */
	joints: z.array(
		z.object({ error: z.number(), holdPose: z.number().nullable(), predicted: z.array(z.number()) }),
	),
	/** Means over the joints in degrees; null when there is none. */
	jointErrorDeg: z.number().nullable(),
	holdPoseErrorDeg: z.number().nullable(),
});

/** What a model would have done, open loop. */
export type PredictionView = z.infer<typeof predictionViewSchema>;

/** Schema of {@link PredictionState}. */
export const predictionStateSchema = z.discriminatedUnion("kind", [
	z.object({ kind: z.literal("none") }),
	/** `done` of `frames` frames; 0 of 0: it waits for another one. */
	z.object({ kind: z.literal("running"), done: z.number(), frames: z.number() }),
	z.object({ kind: z.literal("failed"), message: z.string(), cure: z.string().nullable() }),
	z.object({ kind: z.literal("ready"), prediction: predictionViewSchema }),
]);

/** Where a prediction stands. */
export type PredictionState = z.infer<typeof predictionStateSchema>;

/** Schema of {@link PredictionProgress}. */
export const predictionProgressSchema = z.object({
	underWay: z.array(
		z.object({ model: z.string(), episode: z.number(), done: z.number(), frames: z.number() }),
	),
	/** Predictions that came to an end so far, whichever. */
	numEnded: z.number(),
});

/** How far predictions are. */
export type PredictionProgress = z.infer<typeof predictionProgressSchema>;
