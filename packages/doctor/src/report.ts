// The report as data: what `zk0 data doctor --json` prints and the text and HTML reports are made of.
import { z } from "zod";
import type { Examination } from "./examine.ts";
import { findingSchema } from "./finding.ts";
import { quarantineOf } from "./profile/build.ts";

const count = z.int().nonnegative();
const unit = z.enum(["degrees", "normalised", "degrees-or-normalised", "radians", "ticks"]).nullable();

/** Schema of {@link DoctorReport}. */
export const reportSchema = z.strictObject({
	format: z.literal("zk0-doctor-report"),
	version: z.literal(1),
	summary: z.strictObject({ errors: count, warnings: count, infos: count }),
	datasets: z.array(
		z.strictObject({
			uri: z.string(),
			root: z.string(),
			/** Null when the metadata cannot be read. */
			facts: z
				.strictObject({
					format: z.string(),
					robotType: z.string().nullable(),
					fps: z.number(),
					/** Null when the episode table cannot be read. */
					episodes: count.nullable(),
					/** Rows read. */
					frames: count,
					tasks: z.array(z.string()).nullable(),
					joints: z.strictObject({ state: z.array(z.string()), action: z.array(z.string()) }),
					/** Null when names and ranges do not tell. */
					units: z.strictObject({ state: unit, action: unit }),
					cameras: z.array(
						z.strictObject({
							key: z.string(),
							role: z.enum(["top", "wrist", "front", "side"]).nullable(),
							roleFrom: z.enum(["name", "pictures", "nothing"]),
							/** Null for pictures in the rows, and when no video can be opened. */
							codec: z.string().nullable(),
							/** Null when no picture could be read. */
							height: count.nullable(),
							width: count.nullable(),
						}),
					),
					/** Pictures decoded, and pictures that there are. */
					picturesDecoded: count,
					pictures: count,
				})
				.nullable(),
			findings: z.array(findingSchema),
			/** Episodes that `--fix` leaves out, and why. */
			quarantine: z.array(z.strictObject({ episode: count, codes: z.array(z.string()) })),
		}),
	),
});

/** What was found in one or more datasets. */
export type DoctorReport = z.infer<typeof reportSchema>;

/** One dataset's part of a report. */
export type DatasetReport = DoctorReport["datasets"][number];

/** The report on examined datasets. */
export function reportOf(examinations: readonly Examination[]): DoctorReport {
	const numOf = (severity: string): number =>
		examinations.reduce(
			(sum, { findings }) => sum + findings.filter((finding) => finding.severity === severity).length,
			0,
		);
	return {
		format: "zk0-doctor-report",
		version: 1,
		summary: { errors: numOf("error"), warnings: numOf("warning"), infos: numOf("info") },
		datasets: examinations.map((examination) => ({
			uri: examination.uri,
			root: examination.root,
			facts: factsOf(examination),
			findings: [...examination.findings],
			quarantine: quarantineOf(examination.findings),
		})),
	};
}

function factsOf({ evidence }: Examination): DatasetReport["facts"] {
	if (evidence === null) return null;
	const { info, episodes, rows, tasks, state, action, roles, pictures, cameraKeys } = evidence;
	return {
		format: info.codebase_version,
		robotType: info.robot_type ?? null,
		fps: info.fps,
		episodes: episodes?.length ?? null,
		frames: rows.numRows,
		tasks: tasks === null ? null : [...tasks],
		joints: { state: [...state.names], action: [...action.names] },
		units: { state: state.unit, action: action.unit },
		cameras: cameraKeys.map((key) => {
			const size = pictures.videos.find((video) => video.camera === key && video.size !== null)?.size;
			const path = episodes
				?.find(({ videos }) => pictures.containers.has(videos.get(key)?.path ?? ""))
				?.videos.get(key)?.path;
			const { role = null, from: roleFrom = "nothing" as const } = roles.get(key) ?? {};
			return {
				key,
				role,
				roleFrom,
				codec: path === undefined ? null : (pictures.containers.get(path)?.codec ?? null),
				height: size?.[0] ?? null,
				width: size?.[1] ?? null,
			};
		}),
		picturesDecoded: pictures.numDecoded,
		pictures: rows.numRows * cameraKeys.length,
	};
}
