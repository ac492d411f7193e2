// Training and evaluation go on without frames that crash their decoder, to the same bits each time.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashTensors } from "@zk0/arrays/node";
import { DatasetError } from "@zk0/dataset";
import { expect, test } from "vitest";
import { createLostFrames, type LostFrame } from "./lost-frames.ts";
import { createPool } from "./pool.ts";
import type { Site } from "./site.ts";
import { tinyEngine, tinyLearning, tinyModel, tinySite, tinyWeights } from "./testing/tiny-site.ts";
import { evaluateOnSite, trainOnSite } from "./train-on-site.ts";

/** Makes the decoder "crash" on rows of the dataset, as a frame reader reports it after its retries. */
function crashAt(site: Site, rows: ReadonlySet<number>): void {
	const { source, dataset } = site.data;
	const read = source.framesAt.bind(source);
	const framesAt: typeof read = async (items, options) => {
		const row = items.find((item) => rows.has(item));
		if (row === undefined) return await read(items, options);
		const episode = dataset.episodes.find(({ toIndex }) => row < toIndex);
		throw new DatasetError("frame-quarantined", `row ${row} crashed`, {
			episodeIndex: episode?.index ?? 0,
			frameIndex: row - (episode?.fromIndex ?? 0),
			camera: "observation.images.top",
		});
	};
	Object.defineProperty(source, "framesAt", { value: framesAt });
}

test("lost frames are left out, reported once, and the same weights come out", async () => {
	const dir = await mkdtemp(join(tmpdir(), "zk0-lost-"));
	const model = tinyModel();
	await using pool = createPool([await tinyEngine(model)]);
	const found: LostFrame[] = [];
	const hashes: string[] = [];
	for (const name of ["once", "again", "whole"]) {
		await using site = await tinySite(join(dir, name), model, {
			recording: { episodes: 4 },
			onLostFrame: (frame) => void found.push(frame),
		});
		const [first = 0, , third = 0] = site.data.trainItems;
		const [heldOut = 0] = site.evalItems;
		if (name !== "whole") crashAt(site, new Set([first, third, heldOut]));
		const training = {
			learning: tinyLearning,
			globalStep: 0,
			proximalMu: 0,
			seed: 3,
			weights: tinyWeights(model),
		};
		const numSteps = Math.ceil(site.data.trainItems.length / tinyLearning.batchSize) + 1;
		const from = { samplesConsumed: 0, optimizer: null };
		const trained = await trainOnSite(site, pool, { ...training, from, numSteps, totalSteps: numSteps });
		hashes.push(hashTensors(trained.weights));
		const result = await evaluateOnSite(site, pool, training);
		expect(result?.numFrames).toBe(site.evalItems.length - (name === "whole" ? 0 : 1));
		expect(site.lostFrames).toHaveLength(name === "whole" ? 0 : 3);
	}
	expect(hashes[1]).toBe(hashes[0]);
	expect(hashes[2]).not.toBe(hashes[0]);
	expect(found).toHaveLength(6);
	expect(found[0]).toMatchObject({
		camera: "observation.images.top",
		reason: expect.stringContaining("crashed"),
	});
	await rm(dir, { recursive: true });
});

test("other failures are thrown on, and so is a site that has nothing left", async () => {
	const dir = await mkdtemp(join(tmpdir(), "zk0-lost-"));
	await using site = await tinySite(dir, tinyModel(), { recording: { episodes: 2 } });
	const lost = createLostFrames(site.data);
	const fail =
		(code: "bad-video" | "frame-quarantined", frameIndex = 0) =>
		() =>
			Promise.reject(new DatasetError(code, "x", { episodeIndex: 0, frameIndex }));
	await expect(lost.without(fail("bad-video"))).rejects.toMatchObject({ code: "bad-video" });
	// The same frame twice in one read: whoever asked did not leave it out.
	await expect(lost.without(fail("frame-quarantined"))).rejects.toMatchObject({ code: "frame-quarantined" });
	expect(lost.replace(0, Uint32Array.of(0, 1))).toBe(1);
	expect(lost.replace(1, Uint32Array.of(0, 1))).toBe(1);
	expect(() => lost.replace(0, Uint32Array.of(0))).toThrow("every frame to train on crashes");
	await rm(dir, { recursive: true });
});
