// From findings to a profile: the cures that need no change of the recordings.
import { digestDataset, type Episode, splitEpisodes } from "@zk0/dataset";
import { transformOf, type UnitTransform } from "../arm/units.ts";
import { DoctorError } from "../errors.ts";
import { type Evidence, statsOf, type VectorSummary } from "../evidence.ts";
import type { Examination } from "../examine.ts";
import type { Finding } from "../finding.ts";
import { datasetView } from "../view.ts";
import { suggestCameras } from "./camera-map.ts";
import type { SiteProfile } from "./schema.ts";

/** What a profile is made for. */
export interface ProfileOptions {
	/** The model's camera keys, in its order. */
	readonly modelCameras: readonly string[];
	/** Share of the kept episodes that is never trained on, 0..0.5. */
	readonly heldOut: number | readonly number[];
	/** Chooses them. */
	readonly seed: number;
	readonly signal?: AbortSignal | undefined;
}

/** Episodes to leave out, with the codes that say why, in order. */
export function quarantineOf(findings: readonly Finding[]): { episode: number; codes: string[] }[] {
	const codes = new Map<number, Set<string>>();
	for (const { fix, severity, episodes, code } of findings) {
		if (fix !== "quarantine" || severity === "info") continue;
		for (const episode of episodes) codes.set(episode, (codes.get(episode) ?? new Set()).add(code));
	}
	return [...codes]
		.sort(([a], [b]) => a - b)
		.map(([episode, reasons]) => ({ episode, codes: [...reasons].sort() }));
}

/** The episodes that stay. @throws DoctorError "nothing-left" */
export function keptEpisodes({ root, evidence, findings }: Examination): {
	evidence: Evidence;
	episodes: Episode[];
} {
	const bad = new Set(quarantineOf(findings).map(({ episode }) => episode));
	const known = new Set<number>();
	const episodes = (evidence?.episodes ?? []).filter(({ index }) => {
		const isNew = !known.has(index);
		known.add(index);
		return isNew && !bad.has(index) && evidence?.rowsByEpisode.has(index) === true;
	});
	if (evidence === null || episodes.length === 0) {
		throw new DoctorError(
			"nothing-left",
			`${root}: no episode is free of errors; cure the findings by hand, or record again`,
			{ file: root },
		);
	}
	return { evidence, episodes };
}

/**
 * The profile of an examined dataset.
 * @throws DoctorError "nothing-left"; DatasetError "missing-file"
 */
export async function buildProfile(examination: Examination, options: ProfileOptions): Promise<SiteProfile> {
	const { root, uri, findings } = examination;
	const { evidence, episodes } = keptEpisodes(examination);
	const { signal } = options;
	const view = datasetView(root, evidence, { episodes });
	const { heldOut } = splitEpisodes(episodes, {
		heldOut: options.heldOut,
		seed: options.seed,
	});
	const training = episodes.filter(({ index }) => !heldOut.includes(index));
	const facts = training.flatMap(({ index }) => evidence.rowsByEpisode.get(index)?.[0] ?? []);
	const { cameras, emptyCameras } = suggestCameras(evidence.roles, options.modelCameras);
	return {
		format: "zk0-site-profile",
		version: 1,
		dataset: {
			uri,
			fingerprint: (await digestDataset(view, signal === undefined ? {} : { signal })).fingerprint,
			episodes: episodes.length,
			frames: view.numFrames,
		},
		cameras: { ...cameras },
		emptyCameras: [...emptyCameras],
		units: { state: unitsOf(evidence.state), action: unitsOf(evidence.action) },
		statistics: Object.fromEntries(
			Object.entries(statsOf(facts)).map(([feature, stats]) => [feature, structuredClone(stats)]),
		) as SiteProfile["statistics"], // the schema's arrays are mutable, the clone's are nobody else's
		quarantined: quarantineOf(findings),
		heldOut: [...heldOut],
	};
}

function unitsOf({ names, unit }: VectorSummary): SiteProfile["units"]["state"] {
	const transform: UnitTransform | null = transformOf(names, unit);
	if (transform === null) return null;
	return names.map((joint, at) => ({
		joint,
		scale: transform.scale[at] ?? 1,
		offset: transform.offset[at] ?? 0,
	}));
}
