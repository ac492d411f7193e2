// Where the builder meets the op table.
import { createBuilder } from "./builder.ts";
import type { GraphBuilder } from "./graph.ts";
import { OPS } from "./ops/table.ts";

/**
 * An empty graph builder over all ops of the engine.
 * @example
 * const graph = createGraph();
 * const weight = graph.parameter("weight", [2, 3]);
 * const loss = reduceMean(square(linear(graph.input("x", "float32", [8, 3]), weight)));
 * graph.output("loss", loss);
 * graph.output("grad:weight", operand(graph.gradients(loss, [weight]), 0));
 * const model = emitOnnx(graph.build());
 */
export function createGraph(): GraphBuilder {
	return createBuilder(OPS);
}
