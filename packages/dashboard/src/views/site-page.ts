// What a site's own page shows: what its client does and did, and how far joining a federation is.
import { z } from "zod";
import { incidentSchema } from "./incident.ts";
import { joinViewSchema } from "./join-view.ts";

const number = z.number().nullable();
const count = z.int().nonnegative();

const clientTaskSchema = z.object({
	runId: z.string(),
	round: count,
	phase: z.enum(["train", "evaluate"]),
	startedAt: z.string(),
	/** Steps done and to do in this task; null before the first is done. */
	step: count.nullable(),
	numSteps: count.nullable(),
	loss: number,
	samplesPerSecond: number,
	/** Optimizer steps of the whole run: behind the site when the task began, and in all; null while evaluating. */
	globalStep: count.nullable(),
	totalSteps: count.nullable(),
});

/** The task that a client works on. */
export type ClientTask = z.infer<typeof clientTaskSchema>;

const clientRoundSchema = z.object({
	runId: z.string(),
	round: count,
	/** When something was last known of it. */
	at: z.string(),
	/** Loss of the round's shared weights on what this site holds out. */
	heldOutLoss: number,
	/** … and of the weights that this site trained itself, where the run measures them. */
	localHeldOutLoss: number.default(null),
	/** Mean loss while this site trained in the round. */
	trainLoss: number,
	numSteps: count.nullable(),
	numSamples: count.nullable(),
	trainSeconds: number,
});

/** A round as its site saw it. */
export type ClientRound = z.infer<typeof clientRoundSchema>;

/** Schema of {@link ClientActivity}. */
export const clientActivitySchema = z.object({
	/** The federation's address: what is told belongs to it. */
	server: z.string(),
	/** Null: none at the moment. */
	task: clientTaskSchema.nullable(),
	/** In the order in which they began. */
	rounds: z.array(clientRoundSchema),
	/** Bytes of messages since the site joined. */
	bytesUp: count,
	bytesDown: count,
	/** Oldest first. */
	incidents: z.array(incidentSchema),
});

/** What a client wrote down of its work. */
export type ClientActivity = z.infer<typeof clientActivitySchema>;

const clientViewSchema = z.object({
	/** The federation that the site joined; null: none yet. */
	joined: z
		.object({
			site: z.string(),
			server: z.string(),
			data: z.string(),
			isEncrypted: z.boolean(),
			threads: z.int(),
			hours: z.string().nullable(),
		})
		.nullable(),
	/** Process of the client; null: it does not run. */
	pid: z.int().nullable(),
	/** The client's last words, and since when. */
	state: z.string().nullable(),
	since: z.string().nullable(),
	/** Null: it has not written anything down yet. */
	activity: clientActivitySchema.nullable(),
});

/** A site's client. */
export type ClientView = z.infer<typeof clientViewSchema>;

/** Schema of {@link SitePageView}. */
export const sitePageViewSchema = z.object({
	/** Where the client keeps its state. */
	home: z.string(),
	client: clientViewSchema,
	join: joinViewSchema,
});

/** All that a site's page is told as it changes. */
export type SitePageView = z.infer<typeof sitePageViewSchema>;
