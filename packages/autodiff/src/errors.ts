// The operational errors of this package. Programmer errors are TypeError and RangeError, thrown at graph build or
// when feeds do not fit the graph.

/** Why an operation failed. */
export type AutodiffErrorCode =
	/** ONNX Runtime refused a model or failed in a run; `cause` has its message. */
	| "runtime-failed"
	/** ONNX Runtime or the WebAssembly memory found no memory; parameters and moments are as before. */
	| "out-of-memory"
	/** The worker thread ended while work was pending; the runtime cannot be used any more. */
	| "worker-died"
	/** The runtime, session or trainer was used after it was disposed. */
	| "disposed"
	/** A loss, gradient, feed or parameter holds NaN or an infinity; `tensor` names the first one. */
	| "non-finite"
	/** Loaded parameters or moments miss a tensor, have an extra one, or have the wrong shape. */
	| "bad-parameters"
	/** The trained parameters do not fit into one WebAssembly memory. */
	| "too-large"
	/** The wanted device does not work on this machine. */
	| "no-device"
	/** onnxruntime-node, an optional package, is not installed. */
	| "not-installed";

/** An operational failure of the engine. */
export class AutodiffError extends Error {
	override readonly name = "AutodiffError";
	readonly code: AutodiffErrorCode;
	/** Name of the offending tensor, where there is one. */
	readonly tensor: string | undefined;

	constructor(code: AutodiffErrorCode, message: string, options: { cause?: unknown; tensor?: string } = {}) {
		super(message, options.cause === undefined ? undefined : { cause: options.cause });
		this.code = code;
		this.tensor = options.tensor;
	}
}
