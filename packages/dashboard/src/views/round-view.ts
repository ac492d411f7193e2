// One round in full: every site's part in it, the tasks over time, what was refused and why, hashes and signatures.
import type { RoundEvent } from "@zk0/federation/events";
import { z } from "zod";
import { type Folds, fold } from "./fold.ts";
import { incidentOf, incidentSchema } from "./incident.ts";
import { foldTimeline, startTimeline, timelineSchema } from "./timeline.ts";

const metrics = z.record(z.string(), z.number().nullable());

const partSchema = z.object({
	site: z.string(),
	state: z.enum(["asked", "counted", "received", "refused", "failed", "late", "measured"]),
	numSamples: z.int().nullable(),
	/** Share in the new weights. */
	weight: z.number().nullable(),
	/** L2 norm of what the site changed. */
	norm: z.number().nullable(),
	/** Cosine of its change with the mean of the others', -1 to 1. */
	alignment: z.number().nullable(),
	/** Share of the change that counts: less than 1 where it was clipped. */
	scale: z.number().nullable(),
	update: z
		.object({
			sha256: z.string(),
			sizeBytes: z.int(),
			/** Fingerprint of the key that signed it; null: not signed. */
			signedBy: z.string().nullable(),
		})
		.nullable(),
	training: metrics.nullable(),
	/** Held-out loss of the new weights here. */
	loss: z.number().nullable(),
	heldOut: metrics.nullable(),
});

const similaritySchema = z.object({
	/** Elements that were looked at in each update, of `numTotal`. */
	numElements: z.int(),
	numTotal: z.int(),
	/** Sorted. */
	sites: z.array(z.string()),
	/** Row i: the cosines of site i's change with those of the sites 0 to i - 1. Null: too many sites. */
	cosines: z.array(z.array(z.number().nullable())).nullable(),
});

/** Schema of {@link RoundView}. */
export const roundViewSchema = z.object({
	round: z.int(),
	attempt: z.int().nullable(),
	proximalMu: z.number().nullable(),
	startedAt: z.string().nullable(),
	endAt: z.string().nullable(),
	loss: z.number().nullable(),
	weightsSha256: z.string().nullable(),
	aggregateSeconds: z.number().nullable(),
	bytesUp: z.number().nullable(),
	bytesDown: z.number().nullable(),
	/** Sorted by site. */
	parts: z.array(partSchema),
	/** How the updates lie to each other; null: not measured. */
	similarity: similaritySchema.nullable(),
	timeline: timelineSchema.nullable(),
	incidents: z.array(incidentSchema),
});

/** A round in full. */
export type RoundView = z.infer<typeof roundViewSchema>;
/** How the updates of a round lie to each other. */
export type Similarity = z.infer<typeof similaritySchema>;
/** One site's part in a round. */
export type RoundPart = z.infer<typeof partSchema>;

/** The round's view from its events; events of other rounds are passed over. */
export function viewRound(round: number, events: Iterable<RoundEvent>): RoundView {
	const view: RoundView = {
		round,
		attempt: null,
		proximalMu: null,
		startedAt: null,
		endAt: null,
		loss: null,
		weightsSha256: null,
		aggregateSeconds: null,
		bytesUp: null,
		bytesDown: null,
		parts: [],
		similarity: null,
		timeline: null,
		incidents: [],
	};
	for (const event of events) {
		if (!("round" in event) || event.round !== round) continue;
		view.startedAt ??= event.at;
		view.timeline ??= startTimeline(round, event.at);
		fold(FOLDS, view, event);
		foldTimeline(view.timeline, event);
		const incident = incidentOf(event);
		if (incident !== null) view.incidents.push(incident);
	}
	view.parts.sort((a, b) => (a.site < b.site ? -1 : 1));
	return view;
}

const FOLDS: Folds<RoundView> = {
	"round.started": (view, { attempt, proximalMu, sites }) => {
		Object.assign(view, { attempt, proximalMu });
		for (const site of sites) partOf(view, site).state = "asked";
	},
	"update.received": (view, event) => {
		Object.assign(partOf(view, event.site), { state: "received", ...receivedOf(event) });
	},
	"update.late": (view, event) => {
		Object.assign(partOf(view, event.site), { state: "late", ...receivedOf(event) });
	},
	"update.rejected": (view, { site, endsTask }) => {
		if (endsTask) partOf(view, site).state = "refused";
	},
	"site.failed": (view, { site, phase }) => {
		if (phase === "train") partOf(view, site).state = "failed";
	},
	"updates.compared": (view, { numElements, numTotal, sites, cosines }) => {
		const rows = cosines?.map((row) => [...row]) ?? null;
		view.similarity = { numElements, numTotal, sites: sites.map(({ site }) => site), cosines: rows };
		for (const { site, norm, alignment } of sites) Object.assign(partOf(view, site), { norm, alignment });
	},
	"round.accepted": (view, { updates }) => {
		for (const { site, weight, scale } of updates)
			Object.assign(partOf(view, site), { state: "counted", weight, scale });
	},
	"round.aggregated": (view, { weightsSha256, seconds }) => {
		Object.assign(view, { weightsSha256, aggregateSeconds: seconds });
	},
	"site.evaluated": (view, { site, loss, metrics: heldOut }) => {
		Object.assign(partOf(view, site), { loss, heldOut });
	},
	"round.evaluated": (view, { loss, bytesUp, bytesDown, at }) => {
		Object.assign(view, { loss, bytesUp, bytesDown, endAt: at });
	},
};

function receivedOf(event: Extract<RoundEvent, { kind: "update.received" | "update.late" }>) {
	const { numSamples, sha256, sizeBytes, metrics: training, signed, norm } = event;
	return { numSamples, norm, training, update: { sha256, sizeBytes, signedBy: signed?.key ?? null } };
}

function partOf({ parts }: RoundView, site: string): RoundPart {
	const found = parts.find((part) => part.site === site);
	if (found !== undefined) return found;
	const part: RoundPart = {
		site,
		state: "measured",
		numSamples: null,
		weight: null,
		norm: null,
		alignment: null,
		scale: null,
		update: null,
		training: null,
		loss: null,
		heldOut: null,
	};
	parts.push(part);
	return part;
}
