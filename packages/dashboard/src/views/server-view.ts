// What the server tells beside the runs: who may take part, what was done, which models there are.
import { z } from "zod";
import { siteStatusSchema } from "./status.ts";

const loss = z.number().nullable();

/** A run's line in the list. */
export const runLineSchema = z.object({
	runId: z.string(),
	createdAt: z.string(),
	status: z.enum(["queued", "running", "completed", "stopped", "failed"]),
	round: z.int(),
	numRounds: z.int().nullable(),
	numSites: z.int(),
	strategy: z.string().nullable(),
	initialLoss: loss,
	loss,
	bytesUp: z.number().nullable(),
});

/** A run's line in the list. */
export type RunLine = z.infer<typeof runLineSchema>;

/** Settings of a run as `name → value`, and where it ran. */
export const runSettingsSchema = z.object({
	runId: z.string(),
	settings: z.record(z.string(), z.unknown()),
});

/** Settings of a run. */
export type RunSettings = z.infer<typeof runSettingsSchema>;

/** Sites with how they came and what they told about themselves. */
export const memberViewSchema = siteStatusSchema.extend({
	registeredAt: z.string().nullable(),
	peer: z.string().nullable(),
	/** What the site told about its recordings when it came online; null: it is offline. */
	details: z.record(z.string(), z.unknown()).nullable(),
});

/** A site of the federation. */
export type MemberView = z.infer<typeof memberViewSchema>;

/** An invitation; its secret is kept nowhere. */
export const invitationViewSchema = z.object({
	/** The beginning of its secret's hash. */
	id: z.string(),
	/** Null: the site chooses its name. */
	site: z.string().nullable(),
	madeAt: z.string(),
	expiresAt: z.string(),
	usedBy: z.string().nullable(),
});

/** An invitation. */
export type InvitationView = z.infer<typeof invitationViewSchema>;

/** A line of the audit log. */
export const auditEntrySchema = z.object({
	at: z.string(),
	/** Who did it: a person, a site, or an address. */
	who: z.string(),
	what: z.string(),
	about: z.string().nullable(),
	isWarning: z.boolean(),
});

/** A line of the audit log. */
export type AuditEntry = z.infer<typeof auditEntrySchema>;

/** A checkpoint that lies on the server. */
export const modelViewSchema = z.object({
	runId: z.string(),
	round: z.int(),
	createdAt: z.string().nullable(),
	loss,
	weightsSha256: z.string().nullable(),
	/** What the run started from. */
	startedFrom: z.string(),
	/** The run and round that ended with the weights which this one started from; null: none on this server. */
	continues: z.object({ runId: z.string(), round: z.int() }).nullable(),
	strategy: z.string().nullable(),
	/** Sites whose updates the round's weights are made of, with their shares. */
	sites: z.array(z.object({ site: z.string(), weight: z.number() })),
	files: z.array(z.object({ name: z.string(), sizeBytes: z.int() })),
});

/** A checkpoint that lies on the server. */
export type ModelView = z.infer<typeof modelViewSchema>;

/** Who is signed in; `csrfToken` goes with every change. */
export const sessionViewSchema = z.object({
	name: z.string(),
	role: z.enum(["viewer", "operator"]),
	csrfToken: z.string().nullable(),
});

/** Who is signed in. */
export type SessionView = z.infer<typeof sessionViewSchema>;

/** A person who may use the dashboard. */
export const userViewSchema = z.object({
	name: z.string(),
	role: z.enum(["viewer", "operator"]),
	addedAt: z.string(),
});

/** A person who may use the dashboard. */
export type UserView = z.infer<typeof userViewSchema>;
