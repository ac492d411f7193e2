import { describe, expect, test } from "vitest";
import { resolveCameraMap } from "./camera-map.ts";
import { FinetuneError } from "./errors.ts";

const policyCameras = ["observation.images.top", "observation.images.wrist"];

function codeOf(run: () => unknown): string {
	try {
		run();
	} catch (error) {
		if (error instanceof FinetuneError) return error.code;
		throw error;
	}
	return "no error";
}

describe("resolveCameraMap", () => {
	test("maps equal names in the policy's order and ignores further cameras", () => {
		const map = resolveCameraMap({
			datasetCameras: ["observation.images.side", ...[...policyCameras].reverse()],
			policyCameras,
		});
		expect([...map]).toEqual(policyCameras.map((key) => [key, key]));
	});

	test("follows the user's map", () => {
		const map = resolveCameraMap({
			datasetCameras: ["observation.images.laptop", "observation.images.phone"],
			policyCameras,
			wanted: {
				"observation.images.phone": "observation.images.wrist",
				"observation.images.laptop": "observation.images.top",
			},
		});
		expect([...map]).toEqual([
			["observation.images.laptop", "observation.images.top"],
			["observation.images.phone", "observation.images.wrist"],
		]);
	});

	test("an unfed policy camera is an error without a map; with one it stays dark", () => {
		const request = { datasetCameras: ["observation.images.top"], policyCameras };
		expect(codeOf(() => resolveCameraMap(request))).toBe("camera-missing");
		const wanted = { "observation.images.top": "observation.images.wrist" };
		expect([...resolveCameraMap({ ...request, wanted })]).toEqual(Object.entries(wanted));
	});

	test("placeholders of the policy need no camera", () => {
		const withPlaceholder = [...policyCameras, "observation.images.empty_camera_0"];
		const map = resolveCameraMap({ datasetCameras: policyCameras, policyCameras: withPlaceholder });
		expect([...map.values()]).toEqual(policyCameras);
	});

	test("no camera at all is an error, with a map too", () => {
		expect(codeOf(() => resolveCameraMap({ datasetCameras: [], policyCameras }))).toBe("camera-missing");
		expect(codeOf(() => resolveCameraMap({ datasetCameras: policyCameras, policyCameras, wanted: {} }))).toBe(
			"camera-missing",
		);
	});

	test.each([
		["a dataset camera that is not there", { "observation.images.tip": "observation.images.top" }],
		["a policy camera that is not there", { "observation.images.top": "observation.images.tip" }],
		[
			"one policy camera twice",
			{
				"observation.images.top": "observation.images.top",
				"observation.images.wrist": "observation.images.top",
			},
		],
	])("refuses %s", (_, wanted) => {
		expect(codeOf(() => resolveCameraMap({ datasetCameras: policyCameras, policyCameras, wanted }))).toBe(
			"camera-missing",
		);
	});

	test("the message names the site and the cameras there are", () => {
		expect(() =>
			resolveCameraMap({ datasetCameras: ["observation.images.tip"], policyCameras, site: "lab" }),
		).toThrow(/camera-missing \(lab\).*observation\.images\.tip/);
	});
});
