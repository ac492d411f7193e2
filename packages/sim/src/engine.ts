// The one place that touches MuJoCo's WebAssembly bindings (@mujoco/mujoco): loads the module, owns the objects
// that live on its heap, and hands out typed views. Views are fetched anew on every access, because they go
// stale when the WebAssembly memory grows.
import type { MainModule, MjData, MjModel } from "@mujoco/mujoco";
import { installedVersion } from "@zk0/arrays/node";
import { SimError } from "./errors.ts";

/** A loaded MuJoCo; several simulations may live in it. Holds no native object itself. */
export interface Engine {
	/** Simulations made and not yet disposed. */
	readonly numLive: number;
	/**
	 * Compiles a model. The caller disposes the result.
	 * @throws SimError `bad-model` when MuJoCo refuses the XML.
	 */
	createSimulation(xml: string): Simulation;
}

/** Shape of one geom in the model. */
export interface Geom {
	readonly name: string;
	readonly kind: "box" | "cylinder" | "plane";
	/** Half sizes (box) or radius and half length (cylinder), metres. */
	readonly size: readonly [number, number, number];
	readonly rgb: readonly [number, number, number];
}

/** A compiled model with its state. Disposing frees the WebAssembly objects; use after that throws. */
export interface Simulation extends Disposable {
	readonly geoms: readonly Geom[];
	/** Vertical field of view of a camera, degrees. */
	cameraFovy(camera: number): number;
	/** Index of a named body, camera or geom. @throws RangeError when the model has none of that name. */
	indexOf(kind: "body" | "camera" | "site", name: string): number;
	/**
	 * Live view of one of MuJoCo's state arrays (metres, radians, matrices row-major); valid until the next call that
	 * may grow the memory.
	 */
	state(name: StateArray): Float64Array;
	/** Sets everything back to the model's initial state. */
	reset(): void;
	/** Advances by `count` time steps. */
	step(count: number): void;
	/** Recomputes everything that depends on positions, without advancing. */
	forward(): void;
}

/** The state arrays that the world uses, by MuJoCo's names. */
export type StateArray =
	| "qpos"
	| "ctrl"
	| "mocap_pos"
	| "geom_xpos"
	| "geom_xmat"
	| "cam_xpos"
	| "cam_xmat"
	| "site_xpos";

/**
 * Loads the WebAssembly module (about 0.1 s). Share one engine between worlds to save that time.
 * @throws SimError "not-installed" where the optional package @mujoco/mujoco is missing
 */
export async function loadEngine(): Promise<Engine> {
	if (installedVersion("@mujoco/mujoco", import.meta.url) === null) {
		throw new SimError(
			"not-installed",
			"@mujoco/mujoco, the simulated arm's physics, is not installed: run npm install again without --omit=optional",
		);
	}
	const { default: loadMujoco } = await import("@mujoco/mujoco");
	const mujoco = await loadMujoco();
	const live = new Set<MjData>();
	return {
		get numLive() {
			return live.size;
		},
		createSimulation(xml) {
			let model: MjModel;
			try {
				model = mujoco.MjModel.from_xml_string(xml);
			} catch (cause) {
				throw new SimError("bad-model", "MuJoCo refused the model; the cause has its message", { cause });
			}
			const { data, geoms } = openModel(mujoco, model);
			live.add(data);
			const alive = (): MjData => {
				if (live.has(data)) return data;
				throw new SimError("disposed", "the simulation was disposed; create a new world");
			};
			const kinds = {
				body: mujoco.mjtObj.mjOBJ_BODY.value,
				camera: mujoco.mjtObj.mjOBJ_CAMERA.value,
				site: mujoco.mjtObj.mjOBJ_SITE.value,
			};
			return {
				geoms,
				cameraFovy: (camera) => element(alive() && float64("cam_fovy", model.cam_fovy), camera),
				indexOf(kind, name) {
					alive();
					const index = mujoco.mj_name2id(model, kinds[kind], name);
					if (index < 0) throw new RangeError(`indexOf: the model has no ${kind} "${name}"`);
					return index;
				},
				state: (name) => float64(name, alive()[name]),
				reset: () => mujoco.mj_resetData(model, alive()),
				step(count) {
					alive();
					for (let done = 0; done < count; done++) mujoco.mj_step(model, data);
				},
				forward: () => mujoco.mj_forward(model, alive()),
				[Symbol.dispose]() {
					if (!live.delete(data)) return;
					data.delete();
					model.delete();
				},
			};
		},
	};
}

/** State and geoms of a fresh model, which is freed when that fails. */
function openModel(mujoco: MainModule, model: MjModel): { data: MjData; geoms: Geom[] } {
	try {
		const geoms = readGeoms(model, (index) =>
			mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_GEOM.value, index),
		);
		return { data: new mujoco.MjData(model), geoms };
	} catch (cause) {
		model.delete();
		throw cause;
	}
}

/** MuJoCo's mjtGeom numbers for the shapes our models use. */
const GEOM_KINDS: Readonly<Record<number, Geom["kind"]>> = { 0: "plane", 5: "cylinder", 6: "box" };

function readGeoms(model: MjModel, nameOf: (index: number) => string): Geom[] {
	const types: unknown = model.geom_type;
	const rgba: unknown = model.geom_rgba;
	if (!(types instanceof Int32Array) || !(rgba instanceof Float32Array)) {
		throw new SimError(
			"bad-model",
			"geom_type or geom_rgba has another type; install the pinned @mujoco/mujoco",
		);
	}
	const sizes = float64("geom_size", model.geom_size);
	return Array.from(types, (type, index) => {
		const kind = GEOM_KINDS[type];
		if (kind === undefined)
			throw new SimError("bad-model", `geom ${index} has shape ${type}; use box, cylinder or plane`);
		const three = (values: ArrayLike<number>, start: number): [number, number, number] => [
			element(values, start),
			element(values, start + 1),
			element(values, start + 2),
		];
		return { name: nameOf(index), kind, size: three(sizes, 3 * index), rgb: three(rgba, 4 * index) };
	});
}

/** The bindings type their arrays as `any`; this is where that ends. */
function float64(name: string, view: unknown): Float64Array {
	if (view instanceof Float64Array) return view;
	throw new SimError("bad-model", `${name} is not a Float64Array; install the pinned @mujoco/mujoco`);
}

function element(values: ArrayLike<number>, index: number): number {
	const value = values[index];
	if (value === undefined) throw new RangeError(`index ${index} is outside 0..${values.length - 1}`);
	return value;
}
