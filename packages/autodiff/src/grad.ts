// Reverse-mode automatic differentiation on the graph: one sweep from the loss to the inputs, appending nodes to the
// same graph (Griewank & Walther, "Evaluating Derivatives", 2008, ch. 3). Branches that do not depend on `wrt` are
// not swept; what a row computes for them in passing is dropped by `build()`.
import { sameShape } from "@zk0/arrays";
import { accumulate } from "./expr/linalg.ts";
import { expand } from "./expr/movement.ts";
import { describeType, type GraphBuilder, type Value } from "./graph.ts";
import { type OpTable, opRow } from "./spec.ts";

/** Appends d loss / d w for each w; a w that the loss does not depend on gets constant zeros. */
export function appendGradients(
	builder: GraphBuilder,
	ops: OpTable,
	loss: Value,
	wrt: readonly Value[],
): Value[] {
	if (loss.dtype !== "float32" || loss.shape.length !== 0) {
		throw new RangeError(`gradients: the loss must be a float32 scalar, got ${describeType(loss)}`);
	}
	const active = dependants(builder, loss, wrt);
	const grads = new Map<number, Value>([[loss.id, builder.constant(1)]]);
	for (let id = loss.id; id >= 0; id--) {
		const grad = grads.get(id);
		const output = builder.valueOf(id);
		const node = builder.nodeOf(output);
		if (grad === undefined || node.kind !== "op" || !active.has(id)) continue;
		const row = opRow(ops, node.op);
		const inputs = builder.inputsOf(output);
		if (!inputs.some((input) => active.has(input.id))) continue;
		if (typeof row.gradient === "string") throw new TypeError(`${node.op}: no gradient: ${row.gradient}`);
		const numBefore = builder.numValues();
		const inputGrads = row.gradient(grad, output, inputs, node.attrs);
		inputs.forEach((input, index) => {
			const inputGrad = inputGrads[index];
			if (inputGrad === undefined || inputGrad === null || !active.has(input.id)) return;
			if (!sameShape(inputGrad.shape, input.shape)) {
				throw new RangeError(
					`${node.op}: gradient of operand ${index} is ${describeType(inputGrad)} for ${describeType(input)}`,
				);
			}
			const sum = grads.get(input.id);
			grads.set(
				input.id,
				sum === undefined ? inputGrad : accumulate(sum, inputGrad, inputGrad.id >= numBefore),
			);
		});
	}
	return wrt.map((value) => grads.get(value.id) ?? expand(builder.constant(0), value.shape));
}

/** Ids of the values at or below the loss that depend on one of `wrt`. */
function dependants(builder: GraphBuilder, loss: Value, wrt: readonly Value[]): Set<number> {
	const active = new Set(wrt.map((value) => value.id));
	for (let id = 0; id <= loss.id; id++) {
		const inputs = builder.inputsOf(builder.valueOf(id));
		if (inputs.some((input) => active.has(input.id))) active.add(id);
	}
	return active;
}
