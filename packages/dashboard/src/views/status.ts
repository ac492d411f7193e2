// The federation at this moment, as `zk0 status --json` prints it and as pages show it. Needs nothing but zod, so that
// commands which only ask a server load no more than this.
import { z } from "zod";

const count = z.int().nonnegative();

/** What the doctor said of a site's recordings, in four numbers and a name: it travels with the site's details. */
export const doctorBadgeSchema = z.object({
	errors: count,
	warnings: count,
	infos: count,
	/** SHA-256 over the recordings that were looked at. */
	fingerprint: z.string(),
});

/** The doctor's verdict. */
export type DoctorBadge = z.infer<typeof doctorBadgeSchema>;

/** The badge in what a site tells about itself; null: it has none. */
export function badgeIn(details: Readonly<Record<string, unknown>> | undefined): DoctorBadge | null {
	const parsed = doctorBadgeSchema.safeParse(details?.["doctor"]);
	return parsed.success ? parsed.data : null;
}

/** "good", or "1 error, 2 warnings". */
export function badgeWords({ errors, warnings }: DoctorBadge): string {
	const named = [
		[errors, "error"],
		[warnings, "warning"],
	] as const;
	const found = named.filter(([many]) => many > 0);
	return found.length === 0
		? "good"
		: found.map(([many, noun]) => `${many} ${noun}${many === 1 ? "" : "s"}`).join(", ");
}

/** Schema of {@link SiteStatus}. */
export const siteStatusSchema = z.object({
	site: z.string(),
	key: z.string(),
	state: z.enum(["pending", "approved", "revoked"]),
	/** False: a node of Flower's, whose updates are not signed. */
	signs: z.boolean(),
	isOnline: z.boolean(),
	/** Why it takes no tasks now although it is online; null: it does. */
	paused: z.string().nullable(),
	secondsSilent: z.number().nullable(),
	numSamples: z.int().nullable(),
	/** What the doctor said when the site joined; null: offline, or it was not asked. */
	doctor: doctorBadgeSchema.nullable(),
});

/** A site of the federation. */
export type SiteStatus = z.infer<typeof siteStatusSchema>;

/** Schema of {@link ServerStatus}. */
export const serverStatusSchema = z.object({
	address: z.string(),
	security: z.enum(["tls", "plaintext"]),
	/** Null: for nothing. */
	waitingFor: z.string().nullable(),
	sites: z.array(siteStatusSchema),
	alerts: z.array(
		z.object({
			rule: z.string(),
			subject: z.string(),
			severity: z.enum(["warning", "critical"]),
			message: z.string(),
			/** What to do. */
			cure: z.string(),
			since: z.iso.datetime(),
		}),
	),
	runs: z.array(
		z.object({
			runId: z.string(),
			state: z.enum(["queued", "running", "completed", "failed", "stopped"]),
			round: z.int(),
			rounds: z.int(),
			message: z.string().nullable(),
			modelSha256: z.string().nullable(),
			/** Tasks that the run waits for. */
			tasks: z.array(
				z.object({
					site: z.string(),
					phase: z.enum(["train", "evaluate"]),
					step: z.int().nullable(),
					numSteps: z.int().nullable(),
				}),
			),
		}),
	),
});

/** The federation now. */
export type ServerStatus = z.infer<typeof serverStatusSchema>;
