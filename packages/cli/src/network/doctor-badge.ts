// What the doctor said of a site's recordings, in four numbers and a name: small enough to travel with the site's details.
import { z } from "zod";

const count = z.int().nonnegative();

/** Schema of {@link DoctorBadge}. */
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

/** ", doctor: 2 warnings" for people; nothing without a badge. */
export function badgeText(badge: DoctorBadge | null): string {
	if (badge === null) return "";
	const { errors, warnings } = badge;
	if (errors + warnings === 0) return ", doctor: good";
	const named = [
		[errors, "error"],
		[warnings, "warning"],
	] as const;
	const parts = named
		.filter(([many]) => many > 0)
		.map(([many, noun]) => `${many} ${noun}${many === 1 ? "" : "s"}`);
	return `, doctor: ${parts.join(", ")}`;
}
