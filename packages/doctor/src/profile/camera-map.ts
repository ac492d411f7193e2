// Which camera of a site is which of a model: by equal names, then by equal roles, then in order.
import { type CameraRole, cameraRoles, type RoleGuess, roleOfName } from "../frames/camera-role.ts";

/** A camera map and the model's cameras that nothing feeds. */
export interface SuggestedCameras {
	readonly cameras: Readonly<Record<string, string>>;
	readonly emptyCameras: readonly string[];
}

/** SmolVLA's pretraining put the top view first, the wrist second and any other third (arXiv 2506.01844). */
const NUMBERED_ROLES: Readonly<Record<string, CameraRole>> = {
	camera1: "top",
	camera2: "wrist",
	camera3: "front",
};

function roleOfModelCamera(key: string): CameraRole | null {
	return NUMBERED_ROLES[key.split(".").at(-1) ?? ""] ?? roleOfName(key);
}

/** Suggests a map; every camera of the dataset and of the model is used at most once. */
export function suggestCameras(
	roles: ReadonlyMap<string, RoleGuess>,
	modelCameras: readonly string[],
): SuggestedCameras {
	const cameras: Record<string, string> = {};
	const free = new Set(roles.keys());
	const open = new Set(modelCameras.filter((key) => !key.startsWith("observation.images.empty_camera_")));
	const pair = (fits: (camera: string, target: string) => boolean): void => {
		for (const target of open) {
			const camera = [...free].find((key) => fits(key, target));
			if (camera === undefined) continue;
			cameras[camera] = target;
			free.delete(camera);
			open.delete(target);
		}
	};
	pair((camera, target) => camera === target);
	pair((camera, target) => {
		const role = roles.get(camera)?.role ?? null;
		return role !== null && role === roleOfModelCamera(target);
	});
	// A standing camera may stand in for another that stands, but nothing stands in for a wrist.
	const isWrist = (role: CameraRole | null | undefined): boolean => role === "wrist";
	pair((camera, target) => isWrist(roles.get(camera)?.role) === isWrist(roleOfModelCamera(target)));
	return { cameras, emptyCameras: [...open] };
}

/** As {@link suggestCameras}, by the cameras' names alone: before any picture was looked at. */
export function suggestCamerasByName(
	datasetCameras: readonly string[],
	modelCameras: readonly string[],
): SuggestedCameras {
	return suggestCameras(cameraRoles(datasetCameras, []), modelCameras);
}
