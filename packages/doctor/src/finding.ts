// What a rule found, as the report shows it and `--json` prints it.
import { relative, sep } from "node:path";
import { z } from "zod";
import type { Hit, Rule } from "./rule.ts";

const episodeIndex = z.int().nonnegative();

/** Schema of {@link Finding}. */
export const findingSchema = z.strictObject({
	/** Stable code of the rule. */
	code: z.string(),
	severity: z.enum(["error", "warning", "info"]),
	subject: z.enum(["files", "rows", "tasks", "statistics", "arm", "episodes", "cameras", "pictures"]),
	message: z.string(),
	cure: z.string(),
	/** What `--fix` can do about it. */
	fix: z.enum(["profile", "copy", "quarantine", "manual"]),
	/** Episodes concerned, ascending; empty for the whole dataset. */
	episodes: z.array(episodeIndex),
	/** Frames concerned: how many of each episode, and the first of them. */
	frames: z.array(
		z.strictObject({
			episode: episodeIndex,
			count: z.int().positive(),
			frames: z.array(z.number()),
		}),
	),
	camera: z.string().nullable(),
	joint: z.string().nullable(),
	/** Relative to the dataset's folder, with "/". */
	file: z.string().nullable(),
});

/** One finding. */
export type Finding = z.infer<typeof findingSchema>;

/** A hit of a rule as a finding. */
export function findingOf(rule: Omit<Rule, "check">, hit: Hit, root: string): Finding {
	const { code, severity, subject, cure, fix } = rule;
	return {
		code,
		severity,
		subject,
		message: hit.message,
		cure,
		fix,
		episodes: [...(hit.episodes ?? [])],
		frames: (hit.frames ?? []).map(({ episode, count, frames }) => ({ episode, count, frames: [...frames] })),
		camera: hit.camera ?? null,
		joint: hit.joint ?? null,
		file: hit.file === undefined ? null : relative(root, hit.file).split(sep).join("/"),
	};
}
