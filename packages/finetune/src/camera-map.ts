// Which dataset camera feeds which policy camera. Not the pixels: see frames.ts.
// LeRobot skips unknown cameras silently (spec: smolvla §3); here every mismatch is an error with its cure.
import { FinetuneError } from "./errors.ts";

/** Dataset camera key -> policy camera key. */
export type CameraMap = ReadonlyMap<string, string>;

/** What {@link resolveCameraMap} needs to know. */
export interface CameraMapRequest {
	/** Camera keys the dataset has. */
	readonly datasetCameras: readonly string[];
	/** Camera keys the policy was built with, in its token order. */
	readonly policyCameras: readonly string[];
	/**
	 * Dataset key -> policy key, as the user wrote it; policy cameras it leaves out stay dark, as in LeRobot.
	 * Absent: by equal names, and every policy camera must have one.
	 */
	readonly wanted?: Readonly<Record<string, string>>;
	/** Named in errors. */
	readonly site?: string;
}

/** Cameras that `empty_cameras` adds to a policy: nobody has to feed them. */
function isPlaceholder(key: string): boolean {
	return key.startsWith("observation.images.empty_camera_");
}

function list(keys: readonly string[]): string {
	return keys.length === 0 ? "none" : keys.join(", ");
}

/**
 * The camera map of a site, in the policy's camera order.
 * @throws FinetuneError "camera-missing" when the map names a camera that dataset or policy lacks, names one
 * policy camera twice or is empty, or when there is no map and a policy camera finds no dataset camera of its name.
 */
export function resolveCameraMap(request: CameraMapRequest): CameraMap {
	const { datasetCameras, policyCameras, site } = request;
	const where = site === undefined ? {} : { site };
	const sameNames = datasetCameras.filter((key) => policyCameras.includes(key));
	const wanted = request.wanted ?? Object.fromEntries(sameNames.map((key) => [key, key]));
	const byPolicyKey = new Map<string, string>();
	for (const [datasetKey, policyKey] of Object.entries(wanted)) {
		if (!datasetCameras.includes(datasetKey)) {
			throw new FinetuneError(
				"camera-missing",
				`the camera map names ${datasetKey}, but the dataset's cameras are: ${list(datasetCameras)}`,
				where,
			);
		}
		if (!policyCameras.includes(policyKey)) {
			throw new FinetuneError(
				"camera-missing",
				`the camera map leads to ${policyKey}, but the policy's cameras are: ${list(policyCameras)}`,
				where,
			);
		}
		const taken = byPolicyKey.get(policyKey);
		if (taken !== undefined) {
			throw new FinetuneError(
				"camera-missing",
				`${taken} and ${datasetKey} both lead to ${policyKey}; map one of them elsewhere or drop it`,
				where,
			);
		}
		byPolicyKey.set(policyKey, datasetKey);
	}
	const dark = policyCameras.filter((key) => !byPolicyKey.has(key) && !isPlaceholder(key));
	if (byPolicyKey.size === 0 || (request.wanted === undefined && dark.length > 0)) {
		throw new FinetuneError(
			"camera-missing",
			`no dataset camera feeds ${list(dark)}; the dataset has ${list(datasetCameras)}. ` +
				"Give a camera map <dataset camera>=<policy camera>; cameras it leaves out stay dark",
			where,
		);
	}
	const ordered = new Map<string, string>();
	for (const policyKey of policyCameras) {
		const datasetKey = byPolicyKey.get(policyKey);
		if (datasetKey !== undefined) ordered.set(datasetKey, policyKey);
	}
	return ordered;
}
