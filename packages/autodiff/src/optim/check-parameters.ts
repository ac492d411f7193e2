// What parameters and optimizer states must look like before they replace the current ones.
import type { NamedArrays, NdArray, Shape } from "@zk0/arrays";
import { sameShape } from "@zk0/arrays";
import { AutodiffError } from "../errors.ts";
import { describeType } from "../graph.ts";

/**
 * Demands one finite float32 array per parameter. `named` gives the array's name for a parameter.
 * @throws AutodiffError "bad-parameters" or "non-finite" that names the first bad tensor.
 */
export function checkParameterArrays(
	shapes: ReadonlyMap<string, Shape>,
	arrays: NamedArrays,
	named: (name: string) => string,
): void {
	const expected = new Set([...shapes.keys()].map(named));
	for (const [name, array] of arrays) {
		if (!expected.has(name)) {
			throw new AutodiffError("bad-parameters", `"${name}" ${describeType(array)} is not trained here`, {
				tensor: name,
			});
		}
	}
	for (const [name, shape] of shapes) {
		const tensor = named(name);
		const array = arrays.get(tensor);
		if (array === undefined || !isFloat32(array) || !sameShape(array.shape, shape)) {
			const found = array === undefined ? "missing" : describeType(array);
			throw new AutodiffError(
				"bad-parameters",
				`"${tensor}" is ${found}, expected ${describeType({ dtype: "float32", shape })}`,
				{ tensor },
			);
		}
		if (!isFinite32(array.data)) {
			throw new AutodiffError("non-finite", `"${tensor}" holds NaN or an infinity`, { tensor });
		}
	}
}

/** Demands a step count and both moments of every parameter. @throws AutodiffError as `checkParameterArrays`. */
export function checkOptimizerState(
	shapes: ReadonlyMap<string, Shape>,
	step: number,
	moments: NamedArrays,
): void {
	if (!Number.isSafeInteger(step) || step < 0) {
		throw new AutodiffError("bad-parameters", `optimizer step ${step} is not a count of updates`);
	}
	const known = new Set([...shapes.keys()].flatMap((name) => [`exp_avg:${name}`, `exp_avg_sq:${name}`]));
	const extra = [...moments.keys()].find((name) => !known.has(name));
	if (extra !== undefined) {
		throw new AutodiffError("bad-parameters", `optimizer state has an unknown tensor "${extra}"`, {
			tensor: extra,
		});
	}
	for (const prefix of ["exp_avg:", "exp_avg_sq:"]) {
		const part = new Map([...moments].filter(([name]) => name.startsWith(prefix)));
		checkParameterArrays(shapes, part, (name) => prefix + name);
	}
}

function isFloat32(array: NdArray): array is NdArray<"float32"> {
	return array.dtype === "float32" && array.data instanceof Float32Array;
}

function isFinite32(data: Float32Array): boolean {
	for (const value of data) if (!Number.isFinite(value)) return false;
	return true;
}
