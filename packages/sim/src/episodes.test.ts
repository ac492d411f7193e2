import { beforeAll, describe, expect, test } from "vitest";
import { type Engine, loadEngine } from "./engine.ts";
import { expertPolicy, generateEpisodes, type RecordedEpisode, randomPolicy, rollOut } from "./episodes.ts";
import { SimError } from "./errors.ts";
import { TASKS } from "./tasks.ts";
import { createWorld } from "./world.ts";

let engine: Engine;
beforeAll(async () => {
	engine = await loadEngine();
});
const SMALL = { height: 16, width: 16 };

/** One task of every kind and push direction. */
const ONE_OF_EACH = [
	"reach-green",
	"above-red",
	"push-red-left",
	"push-blue-right",
	"push-green-forward",
	"lift-orange",
	"place-blue-on-red",
];

async function collect(options: Parameters<typeof generateEpisodes>[0]): Promise<RecordedEpisode[]> {
	const episodes: RecordedEpisode[] = [];
	for await (const episode of generateEpisodes({ image: SMALL, engine, ...options })) episodes.push(episode);
	return episodes;
}

describe("rollOut", () => {
	test.each(ONE_OF_EACH)(
		"the expert does %s in seeds and workplaces it has not been tuned on",
		async (task) => {
			using world = await createWorld({ task, seed: 0, engine });
			for (let seed = 1000; seed < 1002; seed++) {
				world.reset(seed, { domain: seed % 2 === 0 ? undefined : `workplace-${seed}` });
				expect(world.success()).toBe(false);
				const outcome = await rollOut(world, expertPolicy);
				expect(outcome.success).toBe(true);
				expect(outcome.numFrames).toBeLessThan(100);
			}
		},
	);

	test.each([5, 30])("the expert also works at %i actions per second", async (fps) => {
		using world = await createWorld({ task: "lift-red", seed: 1000, fps, engine });
		const { success, numFrames } = await rollOut(world, expertPolicy);
		expect(success).toBe(true);
		expect(numFrames / fps).toBeLessThan(5);
	});

	test("wandering does not solve a task, and the limit ends it", async () => {
		using world = await createWorld({ task: "reach-red", seed: 0, engine });
		for (const task of TASKS.filter((_, index) => index % 9 === 0)) {
			world.reset(7, { task: task.id });
			expect(await rollOut(world, randomPolicy(7), { maxFrames: 40 })).toEqual({
				success: false,
				numFrames: 40,
			});
		}
	});

	test("the expert finds back after a wandering arm interfered in the middle", async () => {
		using world = await createWorld({ task: "reach-red", seed: 0, engine });
		for (const task of ["reach-red", "push-red-forward", "lift-red"]) {
			for (const seed of [2, 3]) {
				world.reset(seed, { task });
				for (let frame = 0; frame < 14; frame++) world.step(world.expertAction());
				await rollOut(world, randomPolicy(seed), { maxFrames: 8 });
				expect((await rollOut(world, expertPolicy)).success).toBe(true);
			}
		}
	});

	test("can be aborted", async () => {
		using world = await createWorld({ task: "reach-red", seed: 0, engine });
		await expect(rollOut(world, expertPolicy, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
	});
});

describe("generateEpisodes", () => {
	test("alternates the tasks; arrays have one row per frame; lengths are moderate", async () => {
		const episodes = await collect({
			tasks: ["reach-red", "push-blue-left"],
			episodes: 4,
			seed: 0,
			domain: "a",
		});
		expect(episodes.map((episode) => episode.task)).toEqual([
			"Reach the red cube",
			"Push the blue cube to the left",
			"Reach the red cube",
			"Push the blue cube to the left",
		]);
		for (const { states, actions, images } of episodes) {
			const numFrames = states.length / 6;
			expect(numFrames).toBeGreaterThan(10);
			expect(numFrames).toBeLessThanOrEqual(100);
			expect(actions).toHaveLength(states.length);
			for (const pictures of images.values()) expect(pictures).toHaveLength(numFrames);
			expect([...states, ...actions].every(Number.isFinite)).toBe(true);
		}
	});

	test("the same options give the same bytes; every option of the seed path matters", async () => {
		const options = { tasks: ["lift-red"], episodes: 1, seed: 3, domain: "a" };
		const [first] = await collect(options);
		expect((await collect(options))[0]).toEqual(first);
		for (const change of [{ seed: 4 }, { domain: "b" }, { noiseDeg: 0 }, { varyDomain: true }]) {
			expect((await collect({ ...options, ...change }))[0]).not.toEqual(first);
		}
	});

	test("one workplace keeps its look, varyDomain changes it every episode", async () => {
		const corner = (episode: RecordedEpisode): string =>
			[...(episode.images.get("observation.images.top")?.[0]?.subarray(0, 3) ?? [])].join();
		const options = { tasks: ["reach-red"], episodes: 4, seed: 0, noiseDeg: 0 };
		const varied = await collect({ ...options, varyDomain: true });
		expect(new Set(varied.map(corner)).size).toBeGreaterThan(2);
	});

	test("disturbance shows in the states while actions remain the expert's", async () => {
		const stepsOf = ({ states }: RecordedEpisode): number => {
			let roughness = 0;
			for (let index = 12; index < states.length; index++) {
				const [before = 0, at = 0, after = 0] = [states[index - 12], states[index - 6], states[index]];
				roughness += Math.abs(after - 2 * at + before);
			}
			return roughness / states.length;
		};
		const options = { tasks: ["reach-red"], episodes: 1, seed: 1 };
		const [calm] = await collect({ ...options, noiseDeg: 0 });
		const [rough] = await collect({ ...options, noiseDeg: 0.8 });
		expect(calm && rough && stepsOf(rough) > 1.3 * stepsOf(calm)).toBe(true);
	});

	test("bad requests and hopeless ones are errors", async () => {
		await expect(collect({ tasks: [], episodes: 1, seed: 0 })).rejects.toThrow(RangeError);
		await expect(collect({ tasks: ["reach-red"], episodes: 1.5, seed: 0 })).rejects.toThrow(RangeError);
		await expect(collect({ tasks: ["reach-mauve"], episodes: 1, seed: 0 })).rejects.toThrow(SimError);
		await expect(
			collect({ tasks: ["lift-red"], episodes: 1, seed: 0, noiseDeg: 60, fps: 5 }),
		).rejects.toThrow(/expert-failed/);
	});

	test("aborting ends the stream and frees the world", async () => {
		const controller = new AbortController();
		const stream = generateEpisodes({
			tasks: ["reach-red"],
			episodes: 5,
			seed: 0,
			image: SMALL,
			engine,
			signal: controller.signal,
		});
		await stream.next();
		controller.abort();
		await expect(stream.next()).rejects.toThrow(/abort/i);
		expect(engine.numLive).toBe(0);
	});
});

test("every world above was freed", () => {
	expect(engine.numLive).toBe(0);
});
