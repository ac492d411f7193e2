// onnxruntime-node 1.30 lets a run write to buffers that it is given for outputs, and then copies each of them all the
// same: at full size 0.4 GB and 0.2 s a step for nothing. It reads outputs in the model's order and gives up at the first
// one that is no tensor. So a model whose outputs all have buffers starts with such an output: when its turn comes, the
// run is over and every buffer is written.

/** The output that onnxruntime-node does not read; every other output of the model needs a buffer. */
export const END_OF_COPIES = "#end";

/** Whether a run failed only in reading that output, which comes after the run. */
export function isEndOfCopies(error: unknown): boolean {
	return error instanceof Error && error.message.startsWith("Non tensor type is temporarily not supported");
}
