import { describe, expect, test } from "vitest";
import { type CameraRole, roleOfName } from "../frames/camera-role.ts";
import { suggestCameras } from "./camera-map.ts";

const key = (name: string): string => `observation.images.${name}`;
const roles = (...names: readonly (readonly [string, CameraRole | null])[]) =>
	new Map(names.map(([name, role]) => [key(name), { role, from: "name" as const, changedShare: null }]));
const map = (pairs: Record<string, string>): Record<string, string> =>
	Object.fromEntries(Object.entries(pairs).map(([from, to]) => [key(from), key(to)]));

describe("suggestCameras", () => {
	test("by equal names, then by role, then any camera that stands for one that stands", () => {
		const small = [key("top"), key("wrist")];
		expect(suggestCameras(roles(["wrist", "wrist"], ["top", "top"]), small)).toEqual({
			cameras: map({ top: "top", wrist: "wrist" }),
			emptyCameras: [],
		});
		expect(suggestCameras(roles(["laptop", "front"], ["gripper_cam", "wrist"]), small)).toEqual({
			cameras: map({ gripper_cam: "wrist", laptop: "top" }),
			emptyCameras: [],
		});
	});

	test("knows what SmolVLA's numbered cameras are, and leaves dark what nothing feeds", () => {
		const base = [key("camera1"), key("camera2"), key("camera3")];
		expect(suggestCameras(roles(["wrist", "wrist"], ["top", "top"]), base)).toEqual({
			cameras: map({ top: "camera1", wrist: "camera2" }),
			emptyCameras: [key("camera3")],
		});
		expect(suggestCameras(roles(["front", "front"]), base).cameras).toEqual(map({ front: "camera3" }));
		expect(suggestCameras(new Map(), [...base, key("empty_camera_0")]).emptyCameras).toEqual(base);
	});
});

test.each([
	["observation.images.wrist_left", "wrist"],
	["observation.images.overhead", "top"],
	["observation.images.phone", "side"],
	["observation.image", null],
	["observation.images.cam_2", null],
])("%s is a %s camera", (name, role) => {
	expect(roleOfName(name)).toBe(role);
});
