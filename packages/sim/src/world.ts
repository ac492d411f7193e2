// The world that recordings, closed-loop evaluation and the viewer use: physics, two cameras, a task with its
// success test and its expert. Everything seen from outside is in LeRobot's units (joints.ts) and as reported by
// the arm, that is with the domain's calibration offsets. Deterministic: the same options, seed and actions give
// the same bytes.

import type { RgbImage } from "@zk0/dataset";
import type { ArmAngles, Point } from "./arm.ts";
import { type Domain, domainOf } from "./domain.ts";
import { type Engine, loadEngine } from "./engine.ts";
import { createExpert, type Expert } from "./expert.ts";
import { clampJoint, fromRadians, GRIPPER, NUM_JOINTS, toRadians } from "./joints.ts";
import { drawLayout, type Layout } from "./layout.ts";
import { CUBE_SIZE, modelXml, NUM_CUBES, NUM_ZONES, parkingSpot } from "./model.ts";
import { createRenderer, type ImageSize } from "./render/renderer.ts";
import { isMet, type Situation } from "./success.ts";
import { findTask, type Task } from "./tasks.ts";
import { type CameraKey, drawViews } from "./views.ts";

/** Options of a world. */
export interface WorldOptions {
	/** Task id, as in TASKS. */
	readonly task: string;
	/** Seed of the first scene. */
	readonly seed: number | string;
	/** Size of observed pictures. @default 96x128 */
	readonly image?: ImageSize;
	/** Name of the workplace; without it the neutral one. */
	readonly domain?: string | undefined;
	/** Actions per second, 5..60. @default 10 */
	readonly fps?: number;
	/** A loaded MuJoCo to share; by default the world loads its own. */
	readonly engine?: Engine;
}

/** What the robot senses. */
export interface Observation {
	/** float32[6]: five joints in degrees, gripper 0..100. */
	readonly state: Float32Array;
	readonly images: ReadonlyMap<CameraKey, RgbImage>;
}

/** A running world; disposing frees its MuJoCo objects, and use after that throws SimError `disposed`. */
export interface World extends Disposable {
	readonly task: Task;
	readonly layout: Layout;
	readonly fps: number;
	/** Starts a new episode, optionally of another task or in another workplace. */
	reset(
		seed: number | string,
		change?: { readonly task?: string; readonly domain?: string | undefined },
	): void;
	/** State and pictures of now. */
	observe(): Observation;
	/** Reported joint positions only (no rendering), float32[6]. */
	state(): Float32Array;
	/** Pictures of now from both cameras, in any size. */
	render(size: ImageSize): Map<CameraKey, RgbImage>;
	/**
	 * Sends joint targets (float32[6], same units as the state; clamped to the limits) and advances 1/fps seconds.
	 * @throws RangeError for another length or a value that is not finite.
	 */
	step(action: ArrayLike<number>): void;
	/** Whether the task is met now. */
	success(): boolean;
	/** The scripted expert's next action, float32[6]; asking advances its plan. */
	expertAction(): Float32Array;
	/** True positions: for tests, plots and analysis, not for policies. */
	situation(): Situation;
}

const STEPS_PER_SECOND = 200;
/** Size of observed pictures unless told otherwise. */
export const DEFAULT_IMAGE: ImageSize = { height: 96, width: 128 };

/**
 * Creates a world and starts its first episode. The caller disposes it.
 * @throws SimError `unknown-task` for a task that does not exist.
 * @throws RangeError for an fps outside 5..60.
 * @example
 * using world = await createWorld({ task: "reach-red", seed: 1 });
 * while (!world.success()) world.step(world.expertAction());
 */
export async function createWorld(options: WorldOptions): Promise<World> {
	const fps = options.fps ?? 10;
	if (!Number.isInteger(fps) || fps < 5 || fps > 60)
		throw new RangeError(`createWorld: fps ${fps}, expected an integer in 5..60`);
	const task = findTask(options.task);
	const engine = options.engine ?? (await loadEngine());
	const numSubsteps = Math.round(STEPS_PER_SECOND / fps);
	const image = options.image ?? DEFAULT_IMAGE;
	const renderers = new Map([[sizeKey(image), createRenderer(image)]]);
	let episode = startEpisode(task, options.seed, options.domain, fps);
	// Last, because from here on there is something to free.
	const simulation = engine.createSimulation(modelXml(1000 / (fps * numSubsteps)));

	const situation = (): Situation => {
		const qpos = simulation.state("qpos");
		const at = (index: number): number => qpos[index] ?? 0;
		const armRad: ArmAngles = [at(0), at(1), at(2), at(3), at(4)];
		const cubes = episode.layout.cubes.map((_, index): Point => {
			const start = cubeStart(index);
			return { x: at(start), y: at(start + 1), z: at(start + 2) };
		});
		return { armRad, gripper: fromRadians(GRIPPER, at(GRIPPER)), cubes };
	};
	const begin = (): void => {
		simulation.reset();
		const qpos = simulation.state("qpos");
		place(episode.layout, qpos, simulation.state("mocap_pos"));
		simulation.state("ctrl").set(qpos.subarray(0, NUM_JOINTS));
		simulation.forward();
	};
	const reset: World["reset"] = (seed, change = {}) => {
		const domain = "domain" in change ? change.domain : episode.domainName;
		const nextTask = change.task === undefined ? episode.task : findTask(change.task);
		episode = startEpisode(nextTask, seed, domain, fps);
		begin();
	};
	const render = (size: ImageSize): Map<CameraKey, RgbImage> => {
		const key = sizeKey(size);
		const renderer = renderers.get(key) ?? createRenderer(size);
		renderers.set(key, renderer);
		return drawViews(simulation, renderer, episode.layout, episode.domain);
	};
	const state = (): Float32Array => {
		const qpos = simulation.state("qpos");
		return Float32Array.from({ length: NUM_JOINTS }, (_, joint) => {
			const reported = fromRadians(joint, qpos[joint] ?? 0) + offsetOf(episode.domain, joint);
			return joint === GRIPPER ? clampJoint(joint, reported) : reported;
		});
	};
	begin();
	return {
		get task() {
			return episode.task;
		},
		get layout() {
			return episode.layout;
		},
		fps,
		reset,
		observe: () => ({ state: state(), images: render(image) }),
		state,
		render,
		step(action) {
			if (action.length !== NUM_JOINTS) {
				throw new RangeError(`step: an action of length ${action.length}, expected ${NUM_JOINTS}`);
			}
			const targets = Array.from(action, (value, joint) => {
				const wanted = clampJoint(joint, value) - offsetOf(episode.domain, joint);
				return toRadians(joint, clampJoint(joint, wanted));
			});
			simulation.state("ctrl").set(targets);
			simulation.step(numSubsteps);
		},
		success: () => isMet(episode.task.goal, episode.layout, situation()),
		expertAction() {
			const targets = episode.expert.act(situation());
			return Float32Array.from(targets, (angleRad, joint) =>
				clampJoint(joint, fromRadians(joint, angleRad) + offsetOf(episode.domain, joint)),
			);
		},
		situation,
		[Symbol.dispose]: () => simulation[Symbol.dispose](),
	};
}

interface Episode {
	readonly task: Task;
	readonly domainName: string | undefined;
	readonly domain: Domain;
	readonly layout: Layout;
	readonly expert: Expert;
}

function startEpisode(
	task: Task,
	seed: number | string,
	domainName: string | undefined,
	fps: number,
): Episode {
	const domain = domainOf(domainName);
	const layout = drawLayout(seed, task, domain);
	return { task, domainName, domain, layout, expert: createExpert(task.goal, layout, fps) };
}

/** Index of a cube's free joint in qpos: x, y, z and a quaternion, after the arm's joints. */
function cubeStart(index: number): number {
	return NUM_JOINTS + 7 * index;
}

function place(layout: Layout, qpos: Float64Array, mocapPos: Float64Array): void {
	qpos.set([...layout.armRad, layout.jawRad]);
	for (let index = 0; index < NUM_CUBES; index++) {
		const cube = layout.cubes[index];
		const pose =
			cube === undefined
				? [...parkingSpot(index), 1, 0, 0, 0]
				: [cube.x, cube.y, CUBE_SIZE / 2, Math.cos(cube.yawRad / 2), 0, 0, Math.sin(cube.yawRad / 2)];
		qpos.set(pose, cubeStart(index));
	}
	for (let index = 0; index < NUM_ZONES; index++) {
		const zone = layout.zones[index];
		mocapPos.set(zone === undefined ? [0, 0, -0.5] : [zone.x, zone.y, 0.0006], 3 * index);
	}
}

function sizeKey(size: ImageSize): string {
	return `${size.height}x${size.width}`;
}

function offsetOf(domain: Domain, joint: number): number {
	const offset = domain.jointOffsets[joint];
	if (offset === undefined) throw new RangeError(`domain: no joint ${joint}`);
	return offset;
}
