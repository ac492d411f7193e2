import { describe, expect, test } from "vitest";
import {
	type Actor,
	type Environment,
	episodeSeed,
	evaluateClosedLoop,
	type Observation,
	randomActor,
	scriptedActor,
} from "./closed-loop.ts";

/** A point on a line that must be brought within 0.5 of a seeded goal; moves at most 1 per step. */
function lineWorld(): Environment & { goal: number; place: number; seeds: number[]; executed: number[] } {
	const world = {
		goal: 0,
		place: 0,
		seeds: [] as number[],
		executed: [] as number[],
		reset(seed: number) {
			world.seeds.push(seed);
			world.goal = 2 + (seed % 5);
			world.place = 0;
		},
		observe: (): Observation => ({
			images: new Map(),
			state: Float32Array.of(world.place, world.goal),
			task: "Go to the goal",
		}),
		step(action: Float32Array) {
			const target = action[0] ?? 0;
			world.executed.push(target);
			world.place += Math.max(-1, Math.min(1, target - world.place));
		},
		success: () => Math.abs(world.place - world.goal) < 0.5,
	};
	return world;
}

describe("evaluateClosedLoop", () => {
	test("a scripted actor succeeds on every episode, and the loop stops at success", async () => {
		const env = lineWorld();
		const actor = scriptedActor(() => Float32Array.of(env.goal));
		const result = await evaluateClosedLoop({
			env,
			actor,
			episodes: 4,
			maxSteps: 20,
			nActionSteps: 1,
			seed: 3,
		});
		expect(result).toMatchObject({ successes: 4, episodes: 4, rate: 1, high: 1 });
		expect(result.outcomes.map((outcome) => outcome.steps)).toEqual(env.seeds.map((seed) => 2 + (seed % 5)));
	});

	test("a standing actor fails and every episode lasts maxSteps", async () => {
		const env = lineWorld();
		const actor = scriptedActor(() => Float32Array.of(0));
		const result = await evaluateClosedLoop({
			env,
			actor,
			episodes: 3,
			maxSteps: 7,
			nActionSteps: 1,
			seed: 3,
		});
		expect(result).toMatchObject({ successes: 0, rate: 0, low: 0 });
		expect(result.outcomes.map((outcome) => outcome.steps)).toEqual([7, 7, 7]);
	});

	test("executes nActionSteps rows of a plan before planning again", async () => {
		const env = lineWorld();
		const asked: number[] = [];
		const actor: Actor = {
			plan: async (_, { step }) => {
				asked.push(step);
				return [-1, -2, -3, -4].map((target) => Float32Array.of(target));
			},
		};
		await evaluateClosedLoop({ env, actor, episodes: 1, maxSteps: 7, nActionSteps: 3, seed: 1 });
		expect(asked).toEqual([0, 3, 6]);
		expect(env.executed).toEqual([-1, -2, -3, -1, -2, -3, -1]);
	});

	test("equal seeds give equal episodes and equal random actions to any actor", async () => {
		const run = async (seed: number) => {
			const env = lineWorld();
			const actor = randomActor([-5], [5], 4);
			await evaluateClosedLoop({ env, actor, episodes: 3, maxSteps: 6, nActionSteps: 2, seed });
			return { seeds: env.seeds, executed: env.executed };
		};
		expect(await run(5)).toEqual(await run(5));
		expect(await run(5)).not.toEqual(await run(6));
		expect((await run(5)).seeds).toEqual([0, 1, 2].map((episode) => episodeSeed(5, episode)));
	});

	test("random targets stay inside the limits", async () => {
		const env = lineWorld();
		const actor = randomActor([-2], [-1], 1);
		await evaluateClosedLoop({ env, actor, episodes: 1, maxSteps: 50, nActionSteps: 1, seed: 1 });
		expect(Math.min(...env.executed)).toBeGreaterThanOrEqual(-2);
		expect(Math.max(...env.executed)).toBeLessThanOrEqual(-1);
	});

	test("stops when aborted", async () => {
		const env = lineWorld();
		const controller = new AbortController();
		const actor: Actor = {
			plan: async () => {
				controller.abort(new DOMException("stop", "AbortError"));
				return [Float32Array.of(0)];
			},
		};
		const running = evaluateClosedLoop({
			env,
			actor,
			episodes: 2,
			maxSteps: 9,
			nActionSteps: 1,
			seed: 1,
			signal: controller.signal,
		});
		await expect(running).rejects.toThrow("stop");
		expect(env.executed.length).toBe(1);
	});

	test("refuses counts below one and an actor without a plan", async () => {
		const base = { env: lineWorld(), actor: scriptedActor(() => Float32Array.of(0)), seed: 1 };
		const counts = { episodes: 1, maxSteps: 1, nActionSteps: 1 };
		for (const name of ["episodes", "maxSteps", "nActionSteps"]) {
			await expect(evaluateClosedLoop({ ...base, ...counts, [name]: 0 })).rejects.toThrow(RangeError);
		}
		const silent: Actor = { plan: async () => [] };
		await expect(evaluateClosedLoop({ ...base, ...counts, actor: silent })).rejects.toThrow(/no action/);
		expect(() => randomActor([0], [], 1)).toThrow(RangeError);
	});
});
