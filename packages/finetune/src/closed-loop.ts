// Closed-loop evaluation over an environment seam: observe, plan a chunk, execute its first rows, plan again.
// Not a simulator: @zk0/cli plugs one in. Any policy fits: sampled, random or scripted.
import { type Rng, rng } from "@zk0/arrays";
import { type SuccessRate, wilsonInterval } from "./interval.ts";

/** An 8-bit RGB picture, row-major, three bytes per pixel. */
export interface RgbPicture {
	readonly height: number;
	readonly width: number;
	readonly rgb: Uint8Array;
}

/** What a robot sees at one control step. */
export interface Observation {
	/** Pictures by camera key of the environment. */
	readonly images: ReadonlyMap<string, RgbPicture>;
	/** Joint positions in raw units (degrees; gripper 0..100), `[stateDim]`. */
	readonly state: Float32Array;
	/** Task sentence. */
	readonly task: string;
}

/** A world that an actor can act in. */
export interface Environment {
	/** Starts a new episode; equal seeds give equal episodes. */
	reset(seed: number): Promise<void> | void;
	observe(): Promise<Observation> | Observation;
	/** Applies one action in raw units for one control period. */
	step(action: Float32Array): Promise<void> | void;
	/** True once the task is solved in this episode. */
	success(): boolean;
}

/** Where in an evaluation a plan is asked for, with the random stream of that moment. */
export interface PlanContext {
	readonly episode: number;
	readonly step: number;
	readonly random: Rng;
	readonly signal?: AbortSignal;
}

/** A policy seen from the loop. */
export interface Actor {
	/** The next actions in raw units, `[n, actionDim]` as rows, n >= 1. */
	plan(observation: Observation, context: PlanContext): Promise<readonly Float32Array[]>;
}

/** One finished episode. */
export interface EpisodeOutcome {
	readonly episode: number;
	readonly success: boolean;
	/** Control steps executed. */
	readonly steps: number;
}

/** Options of {@link evaluateClosedLoop}. */
export interface ClosedLoopOptions {
	readonly env: Environment;
	readonly actor: Actor;
	/** Number of episodes, at least 1. */
	readonly episodes: number;
	/** Control steps after which an episode counts as failed. */
	readonly maxSteps: number;
	/** Rows of a plan to execute before planning again (`n_action_steps`). */
	readonly nActionSteps: number;
	/** Names all random streams; episode i is reset with a seed derived from it. */
	readonly seed: number;
	readonly onEpisode?: (outcome: EpisodeOutcome) => void;
	readonly signal?: AbortSignal;
}

/** Result of {@link evaluateClosedLoop}: the success rate with its 95 % Wilson interval and each episode. */
export interface ClosedLoopResult extends SuccessRate {
	readonly outcomes: readonly EpisodeOutcome[];
}

/** Seed of episode `episode`; the same for every actor, so that actors meet the same episodes. */
export function episodeSeed(seed: number, episode: number): number {
	return rng(seed, "closed-loop", "episode", episode).below(2 ** 31);
}

/**
 * Runs `episodes` episodes and counts the solved ones. An episode ends at success or after `maxSteps`.
 * @throws RangeError on counts below 1 or an actor that plans nothing; the signal's reason when aborted.
 */
export async function evaluateClosedLoop(options: ClosedLoopOptions): Promise<ClosedLoopResult> {
	for (const name of ["episodes", "maxSteps", "nActionSteps"] as const) {
		if (!Number.isInteger(options[name]) || options[name] < 1) {
			throw new RangeError(`evaluateClosedLoop: ${name} is ${options[name]}, expected an integer >= 1`);
		}
	}
	const outcomes: EpisodeOutcome[] = [];
	for (let episode = 0; episode < options.episodes; episode++) {
		const outcome = await runEpisode(options, episode);
		outcomes.push(outcome);
		options.onEpisode?.(outcome);
	}
	const successes = outcomes.filter((outcome) => outcome.success).length;
	return { ...wilsonInterval(successes, options.episodes), outcomes };
}

async function runEpisode(options: ClosedLoopOptions, episode: number): Promise<EpisodeOutcome> {
	const { env, actor, maxSteps, nActionSteps, seed, signal } = options;
	await env.reset(episodeSeed(seed, episode));
	let queue: Float32Array[] = [];
	let step = 0;
	while (step < maxSteps && !env.success()) {
		signal?.throwIfAborted();
		if (queue.length === 0) {
			const random = rng(seed, "closed-loop", "plan", episode, step);
			const context = { episode, step, random, ...(signal === undefined ? {} : { signal }) };
			queue = (await actor.plan(await env.observe(), context)).slice(0, nActionSteps);
		}
		const action = queue.shift();
		if (action === undefined) {
			throw new RangeError("evaluateClosedLoop: the actor planned no action, expected at least one");
		}
		await env.step(action);
		step++;
	}
	return { episode, success: env.success(), steps: step };
}

/** An actor that asks a script for one action per step, e.g. a simulator's expert. */
export function scriptedActor(next: () => Float32Array): Actor {
	return { plan: async () => [next()] };
}

/**
 * An actor that holds a uniformly random joint target for each whole plan; chance level of a task.
 * @param low Smallest raw value per joint, `[actionDim]`.
 * @param high Largest raw value per joint, `[actionDim]`.
 */
export function randomActor(low: readonly number[], high: readonly number[], numRows: number): Actor {
	if (low.length !== high.length || low.length === 0 || numRows < 1) {
		throw new RangeError(`randomActor: ${low.length} lower and ${high.length} upper limits, ${numRows} rows`);
	}
	return {
		plan: async (_, { random }) => {
			const target = Float32Array.from(low, (from, joint) => {
				return from + ((high[joint] ?? from) - from) * random.uniform();
			});
			return Array.from({ length: numRows }, () => target);
		},
	};
}
