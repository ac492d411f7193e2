import { describe, expect, test } from "vitest";
import { camerasOf } from "./open-sites.ts";

describe("camerasOf", () => {
	const camera = { laptop: "top", "kitchen/laptop": "wrist", "kitchen/phone": "top" };

	test("a site's own cameras win over those of every site", () => {
		expect(camerasOf("kitchen", camera)).toEqual({ laptop: "wrist", phone: "top" });
		expect(camerasOf("lab", camera)).toEqual({ laptop: "top" });
	});

	test("without entries the names decide", () => {
		expect(camerasOf("kitchen", null)).toBeUndefined();
		expect(camerasOf("lab", { "kitchen/phone": "top" })).toBeUndefined();
	});
});
