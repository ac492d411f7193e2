// How far joining a federation is on a site's own page: one part per step, null until the step was begun.
import { z } from "zod";
import { doctorBadgeSchema } from "./status.ts";

const count = z.int().nonnegative();

const jobSchema = z.object({
	state: z.enum(["running", "done", "failed"]),
	/** What it says of itself; null: nothing yet. */
	line: z.string().nullable(),
	/** Why it failed, and what to do about it. */
	failure: z.object({ message: z.string(), cure: z.string().nullable() }).nullable(),
	startedAt: z.string(),
});

/** Work that takes its time. */
export type JobView = z.infer<typeof jobSchema>;

const invitationSchema = z.object({
	address: z.string(),
	/** How the server proves itself: by this authority, by a public one, or not at all. */
	trust: z.enum(["pinned", "system", "plaintext"]),
	/** SHA-256 of the pinned authority's certificate. */
	fingerprint: z.string().nullable(),
	/** The name that the invitation is for; null: the site chooses. */
	invitedAs: z.string().nullable(),
	/** The name to join with; null: none yet. */
	site: z.string().nullable(),
	/** The look at the server. */
	job: jobSchema,
});

const dataSchema = z.object({
	/** As it was chosen. */
	uri: z.string(),
	job: jobSchema,
	facts: z
		.object({
			robotType: z.string().nullable(),
			fps: z.number(),
			numEpisodes: count,
			numFrames: count,
			tasks: z.array(z.string()),
			cameras: z.array(z.string()),
		})
		.nullable(),
});

const camerasSchema = z.object({
	/** For which model. */
	model: z.enum(["small", "full"]),
	policyCameras: z.array(z.string()),
	/** Policy camera by the dataset's; the cameras' names suggest it. */
	proposal: z.record(z.string(), z.string()),
	/** What was confirmed; null: nothing yet. */
	chosen: z.record(z.string(), z.string()).nullable(),
});

/** Which camera is which. */
export type CamerasView = z.infer<typeof camerasSchema>;

const findingSchema = z.object({
	code: z.string(),
	severity: z.enum(["error", "warning", "info"]),
	message: z.string(),
	cure: z.string(),
	camera: z.string().nullable(),
	/** Episodes, frames and file concerned, in words. */
	place: z.string(),
});

/** One thing that the doctor found. */
export type FindingView = z.infer<typeof findingSchema>;

const doctorSchema = z.object({
	job: jobSchema,
	numDone: count,
	/** Null until the first episode was looked at. */
	numEpisodes: count.nullable(),
	badge: doctorBadgeSchema.nullable(),
	findings: z.array(findingSchema),
	/** True: join although there are errors. */
	acceptsErrors: z.boolean(),
});

const trialSchema = z.object({
	job: jobSchema,
	threads: z.int().positive(),
	result: z
		.object({
			loss: z.number(),
			batchSize: z.int(),
			/** Loading, compiling and the first step. */
			prepareSeconds: z.number(),
			/** One step after that. */
			stepSeconds: z.number(),
			peakBytes: z.number(),
			availableBytes: z.number(),
			/** Steps of a round by default, and the time that they take here. */
			roundSteps: z.int(),
			roundSeconds: z.number(),
			/** What the model at full size would take here; null for the small one. */
			fullSize: z.array(z.object({ name: z.string(), text: z.string() })).nullable(),
		})
		.nullable(),
});

const entrySchema = z.object({
	job: jobSchema,
	/** Null until the server has answered. */
	state: z.enum(["approved", "pending"]).nullable(),
	/** The client runs. */
	isStarted: z.boolean(),
});

/** Schema of {@link JoinView}. */
export const joinViewSchema = z.object({
	invitation: invitationSchema.nullable(),
	data: dataSchema.nullable(),
	cameras: camerasSchema.nullable(),
	doctor: doctorSchema.nullable(),
	trial: trialSchema.nullable(),
	entry: entrySchema.nullable(),
	/** Cores of this machine. */
	numCores: z.int().positive(),
});

/** How far joining is. */
export type JoinView = z.infer<typeof joinViewSchema>;

/** Schema of the datasets that were found on this machine. */
export const foundDatasetsSchema = z.object({
	/** Where was looked. */
	folders: z.array(z.string()),
	/** False: there were too many folders to look into all. */
	isComplete: z.boolean(),
	datasets: z.array(
		z.object({
			path: z.string(),
			/** Relative to its folder. */
			name: z.string(),
			numEpisodes: count.nullable(),
			numFrames: count.nullable(),
			fps: z.number().nullable(),
			robotType: z.string().nullable(),
		}),
	),
});

/** Datasets on this machine. */
export type FoundDatasets = z.infer<typeof foundDatasetsSchema>;

/** Schema of one picture of each camera. */
export const cameraPicturesSchema = z.object({
	pictures: z.array(
		z.object({
			camera: z.string(),
			width: z.int(),
			height: z.int(),
			/** PNG in base64. */
			png: z.string(),
		}),
	),
});
