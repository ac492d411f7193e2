// Public names of @zk0/autodiff: graph building, gradients, ONNX emission, the runtime seam. Browser-safe.
export { createGraph } from "./create-graph.ts";
export { AutodiffError, type AutodiffErrorCode } from "./errors.ts";
export {
	abs,
	add,
	cast,
	cos,
	div,
	equal,
	exp,
	geluTanh,
	less,
	lessOrEqual,
	log,
	maximum,
	minimum,
	mul,
	neg,
	type Operand,
	reciprocal,
	sigmoid,
	silu,
	sin,
	sqrt,
	square,
	sub,
	tanh,
	where,
} from "./expr/elementwise.ts";
export { linear, type MatmulOptions, matmul } from "./expr/linalg.ts";
export {
	concat,
	expand,
	gather,
	pad,
	reshape,
	scatterAdd,
	slice,
	split,
	transpose,
} from "./expr/movement.ts";
export type { AttentionOptions } from "./expr/nn.ts";
export {
	attention,
	frozenLayerNorm,
	frozenRmsNorm,
	layerNorm,
	repeatHeads,
	rmsNorm,
	rope,
	softmax,
} from "./expr/nn.ts";
export { type ReduceOptions, reduceMean, reduceSum } from "./expr/reduction.ts";
export type { FileRegion, Graph, GraphBuilder, Node, TensorType, Value } from "./graph.ts";
export { feedsOf, outputsOf, parametersOf } from "./graph.ts";
export { type GraphMemory, graphMemory } from "./memory.ts";
export { type EmitOptions, emitOnnx } from "./onnx/emit.ts";
export type { AdamWOptions } from "./optim/adamw.ts";
export { type CosineSchedule, learningRateAt } from "./optim/schedule.ts";
export type { RunOptions, Runtime, Session } from "./runtime.ts";
export type { OptimizerState, StepOptions, StepResult, Trainer, TrainerOptions } from "./trainer.ts";
