// What the processes of a toy federation are told at their start, and the lines that they print: one JSON object each.
import { roundEventSchema } from "@zk0/federation";
import { z } from "zod";

/** Where a server process kills itself: a place in its own file operations, as a power cut would choose one. */
export const deathSchema: z.ZodType<Death> = z.discriminatedUnion("at", [
	z.object({
		at: z.literal("append"),
		event: z.string(),
		nth: z.int().positive(),
		moment: z.enum(["before", "half", "written", "durable"]),
	}),
	z.object({
		at: z.literal("file"),
		call: z.enum(["open", "write", "rename", "rm"]),
		path: z.string(),
		nth: z.int().positive(),
		moment: z.enum(["before", "after"]),
	}),
]);

/** See {@link deathSchema}. */
export type Death =
	/** While the line of the `nth` event of a kind is appended to the run's log. */
	| {
			readonly at: "append";
			readonly event: string;
			readonly nth: number;
			/** `half`: part of the line is in the file; `written`: all of it, not yet synced; `durable`: synced. */
			readonly moment: "before" | "half" | "written" | "durable";
	  }
	/** At the `nth` call on a path that contains `path`. */
	| {
			readonly at: "file";
			readonly call: "open" | "write" | "rename" | "rm";
			readonly path: string;
			readonly nth: number;
			readonly moment: "before" | "after";
	  };

/** Settings of a server process. */
export const serverSettingsSchema = z.object({
	dir: z.string(),
	/** 0: the system chooses. */
	port: z.int(),
	certificate: z.object({ certificateChain: z.string(), privateKey: z.string() }),
	/** Sites that are invited; the secret of each is `secret` and its name. */
	sites: z.array(z.string()),
	secret: z.string(),
	initialWeightsPath: z.string(),
	numRounds: z.int(),
	/** Sites needed to start, and updates needed per round. */
	minSites: z.int(),
	minUpdates: z.int(),
	/** When a phase waits for nobody any more; null: everybody is waited for. */
	roundDeadlineMs: z.int().positive().nullable(),
	/** True: the run begins, and its time counts, when all sites are online. */
	waitForAll: z.boolean(),
	offlineAfterMs: z.int(),
	death: deathSchema.nullable(),
});

/** See {@link serverSettingsSchema}. */
export type ServerSettings = z.infer<typeof serverSettingsSchema>;

/** What a site does wrong on purpose. */
export const misdeedSchema: z.ZodType<Misdeed> = z.object({
	what: z.enum([
		"throw",
		"nan",
		"wrong-shape",
		"missing-tensor",
		"no-samples",
		"no-file",
		"duplicate-calls",
		"replay-earlier-round",
		"wrong-run",
		"foreign-instruction",
		"garbage-object",
		"wrong-object",
		"bad-signature",
		"die-signing",
	]),
	round: z.int(),
});

/** See {@link misdeedSchema}. */
export interface Misdeed {
	readonly what:
		| "throw"
		| "nan"
		| "wrong-shape"
		| "missing-tensor"
		| "no-samples"
		| "no-file"
		/** Every call twice. */
		| "duplicate-calls"
		/** The reply of an earlier round is sent again, before the right one. */
		| "replay-earlier-round"
		/** A reply that names another run, before the right one. */
		| "wrong-run"
		/** A reply to an instruction that nobody gave, before the right one. */
		| "foreign-instruction"
		/** Random bytes in place of an object, before the right ones. */
		| "garbage-object"
		/** The bytes of another object of the reply, before the right ones. */
		| "wrong-object"
		| "bad-signature"
		/** The process kills itself when it signs its reply. */
		| "die-signing";
	/** Training round in which it happens. */
	readonly round: number;
}

/** Settings of a client process, which may serve several sites. */
export const clientSettingsSchema = z.object({
	dir: z.string(),
	port: z.int(),
	authority: z.string(),
	secret: z.string(),
	sites: z.array(z.string()),
	/** Pause in each training and each evaluation. */
	trainMs: z.int(),
	evaluateMs: z.int(),
	/** Directory of updates that several sites share, made before, one per training; null: each site makes its own. */
	sharedUpdates: z.array(z.string()).nullable(),
	misdeed: misdeedSchema.nullable(),
});

/** See {@link clientSettingsSchema}. */
export type ClientSettings = z.infer<typeof clientSettingsSchema>;

const usage = { peakRssMb: z.number(), cpuSeconds: z.number() };

/** A line of a server process. */
export const serverLineSchema = z.discriminatedUnion("kind", [
	z.object({ kind: z.literal("serving"), port: z.int(), ...usage }),
	z.object({ kind: z.literal("started"), atMs: z.number() }),
	z.object({ kind: z.literal("event"), atMs: z.number(), event: roundEventSchema }),
	z.object({ kind: z.literal("finished"), atMs: z.number(), sha256: z.string().nullable(), ...usage }),
]);

/** See {@link serverLineSchema}. */
export type ServerLine = z.infer<typeof serverLineSchema>;

/** A line of a client process. */
export const clientLineSchema = z.object({
	kind: z.enum([
		"online",
		"paused",
		"pending",
		"retrying",
		"task",
		"training",
		"trained",
		"task-ended",
		"failed",
		"stopped",
	]),
	site: z.string(),
	atMs: z.number(),
	/** Round and phase of a task, what became of it, or why something failed. */
	text: z.string(),
});

/** See {@link clientLineSchema}. */
export type ClientLine = z.infer<typeof clientLineSchema>;
