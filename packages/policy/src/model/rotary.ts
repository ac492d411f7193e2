// Rotary position tables (spec of SmolVLA §2): base 10000 for every configuration, half-split layout, float32 angles.
import { float32Array } from "@zk0/arrays";
import { type GraphBuilder, gather, reshape, type Value } from "@zk0/autodiff";

const BASE_WAVELENGTH = 10_000;

/** Cosines and sines that broadcast to `[B, heads, T, headDim / 2]`. */
export interface Rotation {
	readonly cos: Value;
	readonly sin: Value;
}

/** Angle of position `position` for each of the headDim / 2 frequencies, in LeRobot's float32 steps. */
export function rotaryAngles(position: number, headDim: number): number[] {
	const unit = Math.fround(2 / headDim);
	return Array.from({ length: headDim / 2 }, (_, index) => {
		const wavelength = Math.fround(BASE_WAVELENGTH ** Math.fround(unit * index));
		return Math.fround(position / wavelength);
	});
}

/** Tables for positions 0 .. numPositions-1 of one graph. */
export interface RotaryTables {
	/** Rotation for int64 `positions` `[B, T]`. */
	at(positions: Value): Rotation;
	/** Rotation for positions 0 .. length-1, the same for every sample. */
	first(length: number): Rotation;
}

/** Constant tables in `graph`, shared by all its layers. */
export function rotaryTables(graph: GraphBuilder, numPositions: number, headDim: number): RotaryTables {
	const half = headDim / 2;
	const table = (length: number, wave: (angle: number) => number) => {
		const rows = Array.from({ length }, (_, position) => rotaryAngles(position, headDim).map(wave));
		return float32Array([length, half], rows.flat());
	};
	const cosTable = graph.constant(table(numPositions, Math.cos));
	const sinTable = graph.constant(table(numPositions, Math.sin));
	return {
		at: (positions) => {
			const [batch = 1, length = 1] = positions.shape;
			const rows = (from: Value): Value => reshape(gather(from, positions), [batch, 1, length, half]);
			return { cos: rows(cosTable), sin: rows(sinTable) };
		},
		first: (length) => {
			const rows = (wave: (angle: number) => number): Value =>
				reshape(graph.constant(table(length, wave)), [1, 1, length, half]);
			return { cos: rows(Math.cos), sin: rows(Math.sin) };
		},
	};
}
