// The site profile: one JSON file that says how a site's recordings are to be read. Written by the doctor, read by
// training; it stays at the site, as the statistics in it do.

import { readFile } from "node:fs/promises";
import { didYouMean } from "@zk0/arrays";
import { writeFileAtomic } from "@zk0/arrays/node";
import { z } from "zod";
import { DoctorError } from "../errors.ts";

const count = z.int().nonnegative();
const numbers = z.array(z.number());

const featureStats = z.strictObject({
	shape: z.array(count),
	min: numbers,
	max: numbers,
	mean: numbers,
	/** Population standard deviation. */
	std: numbers,
	/** Rows. */
	count,
	q01: numbers.optional(),
	q10: numbers.optional(),
	q50: numbers.optional(),
	q90: numbers.optional(),
	q99: numbers.optional(),
});

/** One joint: degrees (percent for grippers) = scale * recorded + offset. */
const jointUnits = z.strictObject({
	joint: z.string(),
	scale: z.number().refine((scale) => scale !== 0, "a scale of 0 would erase the joint"),
	offset: z.number(),
});

/** Schema of {@link SiteProfile}. */
export const profileSchema = z.strictObject({
	format: z.literal("zk0-site-profile"),
	version: z.literal(1),
	dataset: z.strictObject({
		/** As the doctor was given it; a relative path is relative to the profile's folder. */
		uri: z.string().min(1),
		/** Of the episodes that are not quarantined. */
		fingerprint: z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in hexadecimal"),
		episodes: count,
		frames: count,
	}),
	/** Dataset camera key to the model's camera key. */
	cameras: z.record(z.string(), z.string()),
	/** Cameras of the model that this site does not have. */
	emptyCameras: z.array(z.string()),
	/** Joint by joint; null when recorded in degrees of today's convention. */
	units: z.strictObject({
		state: z.array(jointUnits).nullable(),
		action: z.array(jointUnits).nullable(),
	}),
	/** Of the training episodes, as recorded. */
	statistics: z.record(z.string(), featureStats),
	/** Episodes left out, and the codes of the findings that are the reason. */
	quarantined: z.array(z.strictObject({ episode: count, codes: z.array(z.string()) })),
	/** Episodes never trained on. */
	heldOut: z.array(count),
});

/** A site's profile. */
export type SiteProfile = z.infer<typeof profileSchema>;

/**
 * Checks the JSON of a profile; `where` names it in messages.
 * @throws DoctorError "bad-profile"
 */
export function parseProfile(json: unknown, where: string): SiteProfile {
	const parsed = profileSchema.safeParse(json);
	if (parsed.success) return parsed.data;
	const { issues } = parsed.error;
	// A mistyped key also lacks the right one: the mistyping says more.
	const issue = issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0];
	const place = issue?.path.join(".") ?? "";
	if (issue?.code === "unrecognized_keys") {
		const key = issue.keys[0] ?? "";
		throw new DoctorError(
			"bad-profile",
			`${where}: unknown key "${place === "" ? key : `${place}.${key}`}"${didYouMean(key, knownKeys(place))}`,
			{ file: where },
		);
	}
	throw new DoctorError(
		"bad-profile",
		`${where} is not a site profile: ${place === "" ? "" : `${place}: `}${issue?.message ?? "not accepted"}; write it again with zk0 data doctor --fix profile`,
		{ file: where, cause: parsed.error },
	);
}

/** Keys that the profile knows at a place; all of them where the place is a list or a table. */
function knownKeys(place: string): string[] {
	const { dataset, units } = profileSchema.shape;
	if (place === "dataset") return Object.keys(dataset.shape);
	if (place === "units") return Object.keys(units.shape);
	if (place.startsWith("units")) return Object.keys(jointUnits.shape);
	if (place.startsWith("statistics")) return Object.keys(featureStats.shape);
	if (place.startsWith("quarantined")) return ["episode", "codes"];
	return Object.keys(profileSchema.shape);
}

/** Reads a profile. @throws DoctorError "bad-profile" */
export async function readProfile(
	path: string,
	{ signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<SiteProfile> {
	let json: unknown;
	try {
		json = JSON.parse(await readFile(path, { encoding: "utf8", ...(signal && { signal }) }));
	} catch (cause) {
		signal?.throwIfAborted();
		const reason = cause instanceof Error ? cause.message : String(cause);
		throw new DoctorError("bad-profile", `${path} cannot be read: ${reason}`, { file: path, cause });
	}
	return parseProfile(json, path);
}

/** Writes a profile; the file appears whole or not at all. */
export async function writeProfile(path: string, profile: SiteProfile): Promise<void> {
	await writeFileAtomic(path, `${JSON.stringify(profile, null, "\t")}\n`);
}
