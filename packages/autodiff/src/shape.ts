// Shape arithmetic that rows and expressions share: broadcasting, axes, permutations, dtype demands.
import type { DType, Shape } from "@zk0/arrays";
import type { TensorType } from "./graph.ts";

/** Result of NumPy broadcasting. @throws RangeError when the shapes do not broadcast. */
export function broadcastShapes(...shapes: readonly Shape[]): Shape {
	const rank = Math.max(0, ...shapes.map((shape) => shape.length));
	return Array.from({ length: rank }, (_, axis) => {
		let size = 1;
		for (const shape of shapes) {
			const dim = shape[axis - rank + shape.length] ?? 1;
			if (dim !== 1 && size !== 1 && dim !== size) {
				throw new RangeError(`shapes ${shapes.map(showShape).join(" and ")} do not broadcast`);
			}
			if (dim !== 1) size = dim;
		}
		return size;
	});
}

/** Axes counted from the end made positive, sorted. @throws RangeError when out of range or repeated. */
export function normalizeAxes(axes: readonly number[], rank: number): number[] {
	const positive = axes.map((axis) => normalizeAxis(axis, rank)).sort((a, b) => a - b);
	if (new Set(positive).size !== positive.length)
		throw new RangeError(`axes [${axes.join(",")}] repeat an axis`);
	return positive;
}

/** One axis made positive. @throws RangeError when out of range. */
export function normalizeAxis(axis: number, rank: number): number {
	if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
		throw new RangeError(`axis ${axis} is out of range for rank ${rank}`);
	}
	return axis < 0 ? axis + rank : axis;
}

/** Size of one axis. @throws RangeError when the axis does not exist. */
export function dimAt(shape: Shape, axis: number): number {
	const dim = shape.at(axis);
	if (dim === undefined) throw new RangeError(`shape ${showShape(shape)} has no axis ${axis}`);
	return dim;
}

/** Copy of a shape with one axis replaced. */
export function withDim(shape: Shape, axis: number, size: number): Shape {
	return shape.with(axis, size);
}

/** Demands exactly this many operands of one of these dtypes, all alike. @throws TypeError otherwise. */
export function demand(
	inputs: readonly TensorType[],
	count: number | readonly number[],
	dtypes: readonly DType[] = ["float32"],
): DType {
	const counts = typeof count === "number" ? [count] : count;
	if (!counts.includes(inputs.length)) {
		throw new TypeError(`takes ${counts.join(" or ")} operands, got ${inputs.length}`);
	}
	const dtype = inputs[0]?.dtype;
	if (dtype === undefined || !dtypes.includes(dtype) || inputs.some((input) => input.dtype !== dtype)) {
		throw new TypeError(`expects operands of one dtype out of ${dtypes.join(", ")}`);
	}
	return dtype;
}

/** The operand at `index`. @throws TypeError when there are fewer operands. */
export function operand<T>(inputs: readonly T[], index: number): T {
	const input = inputs[index];
	if (input === undefined) throw new TypeError(`operand ${index} is missing, got ${inputs.length}`);
	return input;
}

/** `[2,3]`, for messages. */
export function showShape(shape: Shape): string {
	return `[${shape.join(",")}]`;
}
