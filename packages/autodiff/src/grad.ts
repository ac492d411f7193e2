// Reverse-mode automatic differentiation on the graph: one sweep from the loss to the inputs, appending nodes to the
// same graph (Griewank & Walther, "Evaluating Derivatives", 2008, ch. 3). Branches that do not depend on `wrt` are
// not swept; what a row computes for them in passing is dropped by `build()`.
import { numElements, sameShape } from "@zk0/arrays";
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
	const recall = createRecall(builder, ops);
	for (let id = loss.id; id >= 0; id--) {
		const grad = grads.get(id);
		const output = builder.valueOf(id);
		const node = builder.nodeOf(output);
		if (grad === undefined || node.kind !== "op" || !active.has(id)) continue;
		const row = opRow(ops, node.op);
		const inputs = builder.inputsOf(output);
		if (!inputs.some((input) => active.has(input.id))) continue;
		if (typeof row.gradient === "string") throw new TypeError(`${node.op}: no gradient: ${row.gradient}`);
		const [seenOutput, seenInputs] = [recall(output, id), inputs.map((input) => recall(input, id))];
		const numBefore = builder.numValues();
		const inputGrads = row.gradient(grad, seenOutput, seenInputs, node.attrs);
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

/** Values smaller than this are always kept: computing them again would cost more nodes than it frees memory. */
const MIN_REPEATED_ELEMENTS = 2 ** 18;

/** A value computed again is shared by readers that the sweep meets within so many nodes; it is not held for later ones. */
const MAX_SHARED_DISTANCE = 200;

/**
 * Gives the value that the backward pass reads in place of a forward value: the same one, or the same op computed again
 * (bit for bit) so that the first one need not be held in between (Chen et al., 2016, at the level of ops).
 */
function createRecall(builder: GraphBuilder, ops: OpTable): (value: Value, reader: number) => Value {
	const recalled = new Map<number, { readonly result: Value; readonly reader: number }>();
	const recall = (value: Value, reader: number): Value => {
		const known = recalled.get(value.id);
		if (known !== undefined && known.reader - reader < MAX_SHARED_DISTANCE) return known.result;
		const result = again(value, reader);
		recalled.set(value.id, { result, reader });
		return result;
	};
	const again = (value: Value, reader: number): Value => {
		const node = builder.nodeOf(value);
		if (node.kind !== "op" || numElements(value.shape) < MIN_REPEATED_ELEMENTS) return value;
		const { backward } = opRow(ops, node.op);
		if (backward === undefined) return value;
		const inputs = builder.inputsOf(value);
		const operands = inputs.map((input) => recall(input, reader));
		if (backward === "with operand" && operands[0] === inputs[0] && !isFed(inputs[0])) return value;
		return builder.repeat(value, operands);
	};
	const isFed = (value: Value | undefined): boolean =>
		value !== undefined && builder.nodeOf(value).kind !== "op";
	return recall;
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
