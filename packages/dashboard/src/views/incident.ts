// What went wrong or needs care in a run, in plain words, with what to do about it.
import type { RoundEvent } from "@zk0/federation/events";
import { z } from "zod";

/** Schema of {@link Incident}. */
export const incidentSchema = z.object({
	at: z.string(),
	round: z.int().nullable(),
	site: z.string().nullable(),
	severity: z.enum(["note", "warning", "error"]),
	text: z.string(),
	/** What to do; null: nothing. */
	cure: z.string().nullable(),
	/** The words of the program that failed. */
	detail: z.string().nullable(),
});

/** Something that people should know of. */
export type Incident = z.infer<typeof incidentSchema>;

const REJECTIONS: Readonly<Record<string, readonly [text: string, cure: string | null]>> = {
	duplicate: ["sent its result a second time; it was counted once", null],
	late: ["sent its result after the round had closed", "give it fewer local steps or a faster machine"],
	"wrong-round": ["answered another round than it was asked for", "restart its client"],
	"wrong-site": [
		"sent a result under another site's name",
		"look at who holds its key; revoke it if in doubt",
	],
	"unknown-task": ["sent a result that nobody had asked for", "restart its client"],
	"zero-samples": ["trained on no samples", "check its recordings with `zk0 data doctor`"],
	"not-finite": ["sent weights that are not numbers", "lower the learning rate, or check its recordings"],
	"wrong-shape": ["sent tensors of the wrong shape", "update its zk0 to the server's version"],
	"wrong-dtype": ["sent tensors of the wrong type", "update its zk0 to the server's version"],
	"missing-tensor": ["left tensors out", "update its zk0 to the server's version"],
	"extra-tensor": ["sent tensors that are not federated", "update its zk0 to the server's version"],
	"bad-file": ["sent a damaged file", "look at its network and disk"],
	"bad-signature": [
		"sent a result whose signature is wrong",
		"look at who holds its key; revoke it if in doubt",
	],
};

const FAILURES: Readonly<Record<string, readonly [text: string, cure: string]>> = {
	"client-app": ["could not do its work", "read its own words below, and `zk0 client logs` at the site"],
	left: ["left before it was done", "it takes part again when its client is started"],
	offline: ["went silent before it was done", "look at its network and whether its client still runs"],
};

/** The incident that an event is, or null for business as usual. */
export function incidentOf(event: RoundEvent): Incident | null {
	const at = event.at;
	const round = "round" in event ? event.round : null;
	const site = "site" in event ? event.site : null;
	const base = { at, round, site, cure: null, detail: null };
	if (event.kind === "update.rejected") {
		const [text, cure] = REJECTIONS[event.code] ?? [`sent a result that was refused (${event.code})`, null];
		const severity = event.endsTask ? "error" : "note";
		return { ...base, severity, text: `${event.site} ${text}`, cure, detail: event.message };
	}
	if (event.kind === "site.failed") {
		const [text, cure] = FAILURES[event.code] ?? [`failed (${event.code})`, "see its log"];
		return { ...base, severity: "error", text: `${event.site} ${text}`, cure, detail: event.message };
	}
	if (event.kind === "site.stalled") {
		const text = `${event.site} has shown no progress for ${Math.round(event.seconds)} s`;
		const cure = "look at its machine and network; its task stays open";
		return { ...base, severity: "warning", text, cure };
	}
	if (event.kind === "round.closed") {
		const without = event.without.length === 0 ? "" : ` without ${event.without.join(", ")}`;
		const text = `round ${event.round} went on by ${event.reason} with ${event.numReceived} results${without}`;
		return { ...base, severity: "warning", text };
	}
	if (event.kind === "update.late") {
		const text = `${event.site}'s update came after its round had closed; it is kept but not counted`;
		return {
			...base,
			severity: "note",
			text,
			cure: "allow rounds more time, or give the site fewer local steps",
		};
	}
	if (event.kind === "update.clipped") {
		const text = `${event.site}'s update was scaled back from norm ${event.norm.toPrecision(3)} to ${event.limit}`;
		return { ...base, severity: "note", text, detail: `clipped by the ${event.by}` };
	}
	if (event.kind === "site.left" && event.reason === "offline")
		return { ...base, severity: "warning", text: `${event.site} went offline` };
	if (event.kind === "round.failed") {
		const text = `round ${event.round} got ${event.numReceived} of the ${event.numNeeded} updates that it needs`;
		return { ...base, severity: "warning", text, cure: "it is tried again by itself; see why sites failed" };
	}
	if (event.kind === "run.failed")
		return { ...base, severity: "error", text: "the run failed", detail: `${event.code}: ${event.message}` };
	if (event.kind === "run.resumed")
		return { ...base, severity: "note", text: `the run went on in round ${event.round} after a restart` };
	if (event.kind === "run.stopped") return { ...base, severity: "note", text: "the run was stopped" };
	return null;
}
