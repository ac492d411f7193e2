// The events of a run as they are read back from its log or from a server. Browser-safe.
import { z } from "zod";
import type { FederationErrorCode, UpdateRejection } from "./errors.ts";
import type { RoundEvent } from "./events.ts";

export type { RoundEvent };

const at = z.iso.datetime();
const count = z.int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const phase = z.enum(["train", "evaluate"]);
const metrics = z.record(z.string(), z.number().nullable());
const details = z.record(z.string(), z.json());
const site = z.string();
const rejection: z.ZodType<UpdateRejection> = z.enum([
	"duplicate",
	"late",
	"wrong-round",
	"wrong-site",
	"unknown-task",
	"zero-samples",
	"not-finite",
	"wrong-shape",
	"wrong-dtype",
	"missing-tensor",
	"extra-tensor",
	"bad-file",
	"bad-signature",
]);
const cosine = z.number().min(-1).max(1);
const signed = z.object({
	key: z.string(),
	instruction: sha256,
	records: z.array(sha256),
	signature: z.base64(),
});
const update = {
	at,
	round: count,
	site,
	sha256,
	sizeBytes: count,
	numSamples: count,
	metrics,
	norm: z.number().nonnegative().nullable(),
	signed: signed.nullable(),
};
/** Codes are added over time; a log written by a newer version still opens. */
const errorCode = z.string().transform((text) => text as FederationErrorCode); // open set by design

/** Parses one event. */
export const roundEventSchema: z.ZodType<RoundEvent> = z.discriminatedUnion("kind", [
	z.object({
		kind: z.literal("run.started"),
		at,
		runId: z.string(),
		seed: z.int(),
		numRounds: count,
		numLocalSteps: count,
		strategy: z.object({ name: z.string(), options: z.json() }),
		learning: z.json(),
		updateDtype: z.enum(["float32", "bfloat16"]),
		privacy: z.enum(["none", "clipped"]),
		clipNorm: z.number().positive().nullable(),
		weightsSha256: sha256,
		weightsSizeBytes: count,
	}),
	z.object({
		kind: z.literal("run.resumed"),
		at,
		round: count,
		numUpdatesKept: count,
		numEvaluationsKept: count,
		lostUpdates: z.array(site),
	}),
	z.object({ kind: z.literal("run.waiting"), at, numOnline: count, numNeeded: count }),
	z.object({
		kind: z.literal("site.joined"),
		at,
		site,
		numSamples: count.nullable(),
		details,
		publicKey: z.string().nullable(),
	}),
	z.object({ kind: z.literal("site.left"), at, site, reason: z.enum(["left", "offline", "paused"]) }),
	z.object({
		kind: z.literal("round.started"),
		at,
		round: count,
		attempt: count,
		sites: z.array(site),
		proximalMu: z.number(),
	}),
	z.object({ kind: z.literal("task.sent"), at, round: count, phase, site }),
	z.object({
		kind: z.literal("task.progress"),
		at,
		round: count,
		phase,
		site,
		step: count,
		numSteps: count,
		loss: z.number().nullable(),
		samplesPerSecond: z.number().nullable(),
	}),
	z.object({ kind: z.literal("update.received"), ...update }),
	z.object({ kind: z.literal("update.late"), ...update }),
	z.object({
		kind: z.literal("update.clipped"),
		at,
		round: count,
		site,
		by: z.enum(["site", "server"]),
		norm: z.number(),
		limit: z.number(),
	}),
	z.object({
		kind: z.literal("update.rejected"),
		at,
		round: count,
		site,
		code: rejection,
		message: z.string(),
		endsTask: z.boolean(),
	}),
	z.object({
		kind: z.literal("site.failed"),
		at,
		round: count,
		phase,
		site,
		code: z.enum(["client-app", "left", "offline"]),
		message: z.string(),
	}),
	z.object({ kind: z.literal("site.stalled"), at, round: count, phase, site, seconds: z.number() }),
	z.object({
		kind: z.literal("round.closed"),
		at,
		round: count,
		phase,
		reason: z.enum(["deadline", "quorum"]),
		numReceived: count,
		without: z.array(site),
	}),
	z.object({
		kind: z.literal("updates.compared"),
		at,
		round: count,
		numElements: count,
		numTotal: count,
		sites: z.array(z.object({ site, norm: z.number().nonnegative(), alignment: cosine.nullable() })),
		cosines: z.array(z.array(cosine.nullable())).nullable(),
	}),
	z.object({
		kind: z.literal("round.accepted"),
		at,
		round: count,
		updates: z.array(
			z.object({ site, sha256, numSamples: count, weight: z.number(), scale: z.number().positive().max(1) }),
		),
	}),
	z.object({
		kind: z.literal("round.aggregated"),
		at,
		round: count,
		weightsSha256: sha256,
		strategyState: z.json(),
		slotsSha256: sha256.nullable(),
		numUpdates: count,
		seconds: z.number(),
	}),
	z.object({
		kind: z.literal("site.evaluated"),
		at,
		round: count,
		site,
		loss: z.number().nullable(),
		numSamples: count,
		metrics,
	}),
	z.object({
		kind: z.literal("round.evaluated"),
		at,
		round: count,
		loss: z.number().nullable(),
		perSite: z.record(z.string(), z.number().nullable()),
		bytesUp: count.nullable(),
		bytesDown: count.nullable(),
	}),
	z.object({
		kind: z.literal("round.failed"),
		at,
		round: count,
		attempt: count,
		numReceived: count,
		numNeeded: count,
	}),
	z.object({ kind: z.literal("run.completed"), at, numRounds: count, weightsSha256: sha256 }),
	z.object({ kind: z.literal("run.failed"), at, code: errorCode, message: z.string() }),
	z.object({ kind: z.literal("run.stopped"), at, round: count }),
]);
