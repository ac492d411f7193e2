// Running policies in the world: one closed-loop episode, and demonstrations of the scripted expert as a stream.
// Demonstrations are disturbed on purpose: noise is added to what the arm executes while the recorded action stays
// the expert's own answer to the state it was pushed into, so that a policy also learns the way back (Laskey et
// al., "DART: Noise Injection for Robust Imitation Learning", 2017).
import { setImmediate } from "node:timers/promises";
import { type Rng, rng } from "@zk0/arrays";
import { type Engine, loadEngine } from "./engine.ts";
import { SimError } from "./errors.ts";
import { clampJoint, NUM_JOINTS } from "./joints.ts";
import type { ImageSize } from "./render/renderer.ts";
import { findTask } from "./tasks.ts";
import { CAMERA_KEYS, type CameraKey } from "./views.ts";
import { createWorld, type World } from "./world.ts";

/** Chooses the next action (float32[6]) in a world. */
export type WorldPolicy = (world: World) => ArrayLike<number> | Promise<ArrayLike<number>>;

/** Seconds that a task has to stay met to count. */
export const HOLD_S = 0.3;

/** Seconds recorded after success, so that a policy learns to stop. */
export const SETTLE_S = 0.7;

/** Longest episode, seconds. */
export const MAX_EPISODE_S = 10;

/** Result of a closed-loop episode. */
export interface Outcome {
	readonly success: boolean;
	/** Actions taken. */
	readonly numFrames: number;
}

/**
 * Runs a policy from the world's present state until the task has stayed met for HOLD_S, or `maxFrames` (default
 * MAX_EPISODE_S) are over.
 */
export async function rollOut(
	world: World,
	policy: WorldPolicy,
	options: { readonly maxFrames?: number; readonly signal?: AbortSignal } = {},
): Promise<Outcome> {
	const maxFrames = options.maxFrames ?? Math.round(MAX_EPISODE_S * world.fps);
	const holdFrames = Math.ceil(HOLD_S * world.fps);
	let numMet = 0;
	for (let frame = 0; frame < maxFrames; frame++) {
		options.signal?.throwIfAborted();
		world.step(await policy(world));
		numMet = world.success() ? numMet + 1 : 0;
		if (numMet >= holdFrames) return { success: true, numFrames: frame + 1 };
	}
	return { success: false, numFrames: maxFrames };
}

/** The scripted expert as a policy: the upper reference of closed-loop evaluation. */
export const expertPolicy: WorldPolicy = (world) => world.expertAction();

/** A policy that wanders: every action is the present pose plus noise (std 8 degrees, gripper 10). The lower
 * reference of closed-loop evaluation. */
export function randomPolicy(seed: number | string): WorldPolicy {
	const random = rng("sim-random-policy", seed);
	return (world) =>
		disturbed(
			world.state(),
			Array.from({ length: NUM_JOINTS }, (_, joint) => (joint === 5 ? 10 : 8) * random.normal()),
		);
}

/** Options of a stream of demonstrations. */
export interface EpisodeOptions {
	/** Task ids; episode i shows task i modulo their number. */
	readonly tasks: readonly string[];
	/** How many episodes. */
	readonly episodes: number;
	readonly seed: number | string;
	/** @default 96x128 */
	readonly image?: ImageSize;
	/** @default 10 */
	readonly fps?: number;
	/** Name of the workplace; without it the neutral one. */
	readonly domain?: string | undefined;
	/** Gives every episode a workplace of its own, derived from `domain` and its number (for pretraining). */
	readonly varyDomain?: boolean;
	/** Size of the disturbance, degrees per frame at 10 fps; 0 switches it off. @default 0.45 */
	readonly noiseDeg?: number;
	/** A loaded MuJoCo to share. */
	readonly engine?: Engine;
	readonly signal?: AbortSignal;
}

/** One demonstration of N frames. */
export interface RecordedEpisode {
	/** The sentence. */
	readonly task: string;
	readonly taskId: string;
	/** float32 [N, 6] in LeRobot's units. */
	readonly states: Float32Array;
	/** float32 [N, 6]: the expert's targets, in the same units. */
	readonly actions: Float32Array;
	/** N pictures per camera, uint8 [height, width, 3] each. */
	readonly images: ReadonlyMap<CameraKey, readonly Uint8Array[]>;
}

/** Draws of a scene before an episode is given up. */
const MAX_DRAWS = 20;

/**
 * Successful demonstrations, one after another; attempts in which the disturbed expert fails are drawn anew.
 * @throws SimError `unknown-task`; `expert-failed` when 20 draws in a row fail.
 * @throws RangeError for no task or a negative or fractional number of episodes.
 */
export async function* generateEpisodes(options: EpisodeOptions): AsyncGenerator<RecordedEpisode> {
	const tasks = options.tasks.map(findTask);
	const [first] = tasks;
	if (first === undefined) throw new RangeError("generateEpisodes: no task given, expected at least one id");
	if (!Number.isSafeInteger(options.episodes) || options.episodes < 0) {
		throw new RangeError(`generateEpisodes: ${options.episodes} episodes, expected a whole number`);
	}
	const { fps = 10, domain, seed, image } = options;
	const engine = options.engine ?? (await loadEngine());
	using world = await createWorld({ task: first.id, seed, fps, engine, ...(image && { image }) });
	for (let episode = 0; episode < options.episodes; episode++) {
		const task = tasks[episode % tasks.length] ?? first;
		const episodeDomain = options.varyDomain === true ? `${domain ?? ""}#${episode}` : domain;
		let recorded: RecordedEpisode | undefined;
		for (let draw = 0; draw < MAX_DRAWS && recorded === undefined; draw++) {
			// Lets timers and aborts through between episodes.
			await setImmediate();
			options.signal?.throwIfAborted();
			const drawSeed = `${seed}/${domain ?? ""}/${episode}/${draw}`;
			world.reset(drawSeed, { task: task.id, domain: episodeDomain });
			recorded = demonstrate(world, rng("sim-noise", drawSeed), options.noiseDeg ?? 0.45);
		}
		if (recorded === undefined) {
			throw new SimError(
				"expert-failed",
				`the expert failed "${task.id}" ${MAX_DRAWS} times; lower noiseDeg or choose another domain`,
			);
		}
		yield recorded;
	}
}

/** One demonstration from the world's present state; undefined when the expert does not get there in time. */
function demonstrate(world: World, random: Rng, noiseDeg: number): RecordedEpisode | undefined {
	const states: number[] = [];
	const actions: number[] = [];
	const images = new Map<CameraKey, Uint8Array[]>(CAMERA_KEYS.map((key) => [key, []]));
	const wander = wandering(random, noiseDeg * (10 / world.fps));
	const holdFrames = Math.ceil(HOLD_S * world.fps);
	const settleFrames = Math.ceil(SETTLE_S * world.fps);
	let numMet = 0;
	for (let frame = 0; frame < MAX_EPISODE_S * world.fps; frame++) {
		const observation = world.observe();
		const action = world.expertAction();
		states.push(...observation.state);
		actions.push(...action);
		for (const [key, picture] of observation.images) images.get(key)?.push(picture.rgb);
		// Once the task is met the arm rests undisturbed.
		world.step(numMet === 0 ? disturbed(action, wander()) : action);
		numMet = world.success() ? numMet + 1 : 0;
		if (numMet >= holdFrames + settleFrames) {
			const { sentence, id } = world.task;
			return {
				task: sentence,
				taskId: id,
				states: Float32Array.from(states),
				actions: Float32Array.from(actions),
				images,
			};
		}
	}
	return undefined;
}

/** Slowly changing noise per joint: an Ornstein-Uhlenbeck walk, degrees. */
function wandering(random: Rng, noiseDeg: number): () => number[] {
	let noise: number[] = Array.from({ length: NUM_JOINTS }, () => 0);
	return () => {
		noise = noise.map((value) => 0.8 * value + noiseDeg * random.normal());
		return noise;
	};
}

function disturbed(pose: ArrayLike<number>, noise: readonly number[]): Float32Array {
	return Float32Array.from(pose, (value, joint) => clampJoint(joint, value + (noise[joint] ?? 0)));
}
