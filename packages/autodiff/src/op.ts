// The kernel seam of the engine: everything known about one op, in one row.
// Rows live in `ops/`, one file per family; `ops/table.ts` collects them.
import type { Attrs, TensorType, Value } from "./graph.ts";

/** Attribute values as ONNX knows them. */
export type OnnxAttribute =
	| { readonly int: number }
	| { readonly float: number }
	| { readonly ints: readonly number[] }
	| { readonly string: string };

/** Kinds of kernels: ONNX Runtime's own on the processor, or a GPU provider's. */
export type EmitTarget = "cpu" | "gpu";

/** What a row needs in order to write ONNX nodes. */
export interface Emitter {
	/** Whose kernels will run the model: a row may choose its nodes by that, never its result. */
	readonly target: EmitTarget;
	/** Writes one node that defines `outputs`; `domain` "" is ai.onnx. */
	node(
		type: string,
		inputs: readonly string[],
		outputs: readonly string[],
		options?: { readonly attrs?: Readonly<Record<string, OnnxAttribute>>; readonly domain?: string },
	): void;
	/** A fresh name for an intermediate value of this row. */
	fresh(): string;
	/** The name of a shared int64 vector, for axes, shapes and bounds. */
	ints(values: readonly number[]): string;
	/** The name of a shared float32 scalar. */
	scalar(value: number): string;
}

/** The values around an op node during emission. */
export interface EmitSite {
	readonly inputs: readonly string[];
	readonly inputTypes: readonly TensorType[];
	readonly output: string;
	readonly outputType: TensorType;
}

/** Written as a method so that rows with narrower attributes fit into one table. */
type GradientRule<A extends Attrs> = {
	rule(grad: Value, output: Value, inputs: readonly Value[], attrs: A): readonly (Value | null)[];
}["rule"];

/** One row of the op table. */
export interface Op<A extends Attrs = Attrs> {
	/** Type of the output. @throws TypeError for dtypes, RangeError for shapes; the caller prefixes the op's name. */
	infer(inputs: readonly TensorType[], attrs: A): TensorType;
	/**
	 * Gradient of each input from the gradient of the output; null where none flows.
	 * An op without a gradient has the reason here instead of a function.
	 */
	readonly gradient: GradientRule<A> | string;
	/**
	 * What the backward pass does with a large output of this op: by default it is kept from the forward pass. "again":
	 * it is computed again from the operands, because that costs one pass over memory and the operands are kept anyway.
	 * "with operand": computed again when the first operand is, since then keeping it would save nothing.
	 */
	readonly backward?: "again" | "with operand";
	/** Writes the ONNX nodes that define `site.output`. */
	emit(onnx: Emitter, site: EmitSite, attrs: A): void;
}
