// What a site's profile means to training.
import { DoctorError, type SiteProfile } from "@zk0/doctor";
import type { SiteOptions, UnitMap } from "@zk0/finetune";

/** The options of a site that its profile fixes. */
export function profileOptions({
	cameras,
	heldOut,
	statistics,
	units,
}: SiteProfile): Pick<SiteOptions, "cameraMap" | "heldOut" | "stats" | "units"> {
	const defined = Object.entries(statistics).map(([feature, { q01, q10, q50, q90, q99, ...needed }]) => [
		feature,
		{
			...needed,
			...(q01 && { q01 }),
			...(q10 && { q10 }),
			...(q50 && { q50 }),
			...(q90 && { q90 }),
			...(q99 && { q99 }),
		},
	]);
	return {
		cameraMap: cameras,
		heldOut,
		stats: Object.fromEntries(defined),
		units: { state: unitMap(units.state), action: unitMap(units.action) },
	};
}

function unitMap(joints: SiteProfile["units"]["state"]): UnitMap | undefined {
	if (joints === null) return undefined;
	return { scale: joints.map(({ scale }) => scale), offset: joints.map(({ offset }) => offset) };
}

/** @throws DoctorError "profile-mismatch" when the recordings are not those that the profile was made for */
export function requireProfiled({ dataset }: SiteProfile, fingerprint: string, path: string): void {
	if (dataset.fingerprint === fingerprint) return;
	throw new DoctorError(
		"profile-mismatch",
		`${path} was made for other recordings than those at ${dataset.uri} now; run zk0 data doctor --fix profile again`,
		{ file: path },
	);
}
