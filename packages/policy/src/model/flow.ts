// The flow-matching loss (spec of SmolVLA §7): squared error of the predicted velocity over the real actions.
import { div, maximum, mul, reduceSum, reshape, slice, square, sub, type Value } from "@zk0/autodiff";
import type { ModelDims } from "../config/dims.ts";

/** Loss values of a batch. */
export interface FlowLoss {
	/** Scalar: squared errors summed over valid actions / max(1, valid actions in the batch * actionLength). */
	readonly loss: Value;
	/** `[B]`: the same for each sample alone. */
	readonly lossPerSample: Value;
}

/**
 * @param predicted velocity `[B, S, maxActionDim]`
 * @param target noise minus actions `[B, S, maxActionDim]`
 * @param valid `[B, S]`, 1 for actions inside the episode
 */
export function flowLoss(
	predicted: Value,
	target: Value,
	valid: Value,
	{ actionLength }: ModelDims,
): FlowLoss {
	const [batch = 1, length = 1] = valid.shape;
	const real = (x: Value): Value => slice(x, { axis: 2, start: 0, end: actionLength });
	const errors = square(sub(real(target), real(predicted))); // [B, S, actionLength]
	const counted = mul(errors, reshape(valid, [batch, length, 1]));
	const perSample = reduceSum(counted, { axes: [1, 2] }); // [B]
	const numPerSample = mul(reduceSum(valid, { axes: [1] }), actionLength); // [B]
	return {
		loss: div(reduceSum(perSample), maximum(reduceSum(numPerSample), 1)),
		lossPerSample: div(perSample, maximum(numPerSample, 1)),
	};
}
