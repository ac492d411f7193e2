// The container reader against bytes that were changed: it always answers, and quickly.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readContainer } from "./container.ts";

const video = fileURLToPath(
	new URL(
		"../../../dataset/golden/pyarrow-v21/videos/chunk-000/observation.images.hevc/episode_000000.mp4",
		import.meta.url,
	),
);
let folder: string;
beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), "zk0-container-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("readContainer", () => {
	test("reads what ffmpeg wrote", async () => {
		expect(await readContainer(video)).toEqual({
			codec: "hevc",
			width: 64,
			height: 48,
			numFrames: 4,
			fps: 15,
		});
		expect(await readContainer(video.replace("hevc/", "mpeg4/"))).toMatchObject({
			codec: "mpeg4",
			numFrames: 4,
		});
	});

	test("says why there is nothing to read", async () => {
		const path = join(folder, "other.mp4");
		const bytes = readFileSync(video);
		writeFileSync(path, bytes.subarray(0, bytes.length - 40));
		expect(await readContainer(path)).toMatch(/cut off/);
		writeFileSync(path, "not a video at all, but long enough for a header");
		expect(await readContainer(path)).toMatch(/not an mp4|no index/);
		expect(await readContainer(join(folder, "nothing.mp4"))).toBe("it cannot be opened");
	});

	test("answers for any bytes", async () => {
		const bytes = readFileSync(video);
		const path = join(folder, "mutated.mp4");
		const change = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 }));
		await fc.assert(
			fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 12 }), async (changes) => {
				const mutated = Uint8Array.from(bytes);
				for (const [at, value] of changes) mutated[at] = value;
				writeFileSync(path, mutated);
				const facts = await readContainer(path);
				expect(typeof facts === "string" || Number.isSafeInteger(facts.numFrames)).toBe(true);
			}),
			{ numRuns: 150 },
		);
	});
});
