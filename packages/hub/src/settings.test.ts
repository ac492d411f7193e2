import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { retryAfterMs } from "./request.ts";
import { hubSettings } from "./settings.ts";

const HOME = "/nowhere/user";

describe("hubSettings", () => {
	test("defaults are Python's and LeRobot's", async () => {
		expect(await hubSettings({ HOME })).toEqual({
			endpoint: "https://huggingface.co",
			cacheDirs: {
				model: [join(HOME, ".cache/huggingface/hub")],
				dataset: [join(HOME, ".cache/huggingface/lerobot/hub"), join(HOME, ".cache/huggingface/hub")],
			},
			token: undefined,
			isOffline: false,
			timeoutMs: 10_000,
		});
	});

	test.each([
		[{ HF_HOME: "/hf" }, "/hf/lerobot/hub"],
		[{ XDG_CACHE_HOME: "/cache" }, "/cache/huggingface/lerobot/hub"],
		[{ HF_LEROBOT_HOME: "~/robots" }, `${HOME}/robots/hub`],
		[{ HF_HUB_CACHE: "/big" }, "/big"],
		[{ HF_HUB_CACHE: "/big", HF_LEROBOT_HOME: "/robots" }, "/robots/hub"],
	])("datasets with %j go to %s", async (env, folder) => {
		expect((await hubSettings({ HOME, ...env })).cacheDirs.dataset[0]).toBe(folder);
	});

	test.each([
		{ HF_ENDPOINT: "huggingface.co" },
		{ HF_ENDPOINT: "file:///x" },
		{ HF_HUB_DOWNLOAD_TIMEOUT: "soon" },
	])("refuses %j", async (env) => {
		await expect(hubSettings({ HOME, ...env })).rejects.toMatchObject({ code: "bad-hub-setting" });
	});
});

test("Retry-After is seconds or a date", () => {
	const now = Date.parse("Mon, 23 Nov 2026 10:00:00 GMT");
	expect(retryAfterMs("12", now)).toBe(12_000);
	expect(retryAfterMs("Mon, 23 Nov 2026 10:00:30 GMT", now)).toBe(30_000);
	expect(retryAfterMs("Mon, 23 Nov 2026 09:00:00 GMT", now)).toBe(0);
	expect([null, "soon"].map((text) => retryAfterMs(text, now))).toEqual([0, 0]);
});
