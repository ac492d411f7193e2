import { float32Array, type NdArray, toFloat32 } from "@zk0/arrays";
import { createGraph } from "@zk0/autodiff";
import { createOrtRuntime } from "@zk0/autodiff/node";
import { describe, expect, test } from "vitest";
import { modelDims } from "../config/dims.ts";
import { tinyPolicy } from "../testing/tiny-model.ts";
import { CONNECTOR } from "../weights/tensor-names.ts";
import { memoryTensors } from "../weights/tensor-source.ts";
import { connector, patchEmbedding, positionBuckets } from "./vision.ts";
import { graphWeights } from "./weights.ts";

const FROZEN = { trained: new Set<string>(), parameters: new Set<string>() };
const { model } = tinyPolicy();
const { vision } = modelDims(model.config, model.vlm);

async function evaluate(
	build: (graph: ReturnType<typeof createGraph>) => Parameters<ReturnType<typeof createGraph>["output"]>[1],
): Promise<number[]> {
	await using runtime = await createOrtRuntime({ threads: 1 });
	const graph = createGraph();
	graph.output("out", build(graph));
	await using session = await runtime.compile(graph.build());
	const outputs = await session.run(new Map());
	return [...toFloat32(outputs.get("out") ?? float32Array([0], []))];
}

describe("positionBuckets", () => {
	test.each([2, 4, 8, 16, 32])("are the identity for a full grid of %d", (side) => {
		expect(positionBuckets(side, side)).toEqual(Array.from({ length: side }, (_, index) => index));
	});

	test("spread a smaller grid over the table", () => {
		expect(positionBuckets(4, 8)).toEqual([0, 2, 4, 6]);
		expect(positionBuckets(2, 8)).toEqual([0, 4]);
	});
});

describe("patchEmbedding", () => {
	test("is the strided convolution plus learned positions; pixels beyond the grid are unused", async () => {
		const size = 18; // four patches of 4 and two unused pixels
		const pixels = Float32Array.from({ length: 3 * size * size }, (_, index) => Math.sin(index));
		const dims = { ...vision, imageHeight: size, imageWidth: size };
		const actual = await evaluate((graph) => {
			const weights = graphWeights(graph, model.tensors, FROZEN);
			return patchEmbedding(
				weights,
				graph.initializer("pixels", float32Array([1, 3, size, size], pixels)),
				dims,
			);
		});
		const prefix = "model.vlm_with_expert.vlm.model.vision_model.embeddings.";
		const [kernel, bias, table] = [
			"patch_embedding.weight",
			"patch_embedding.bias",
			"position_embedding.weight",
		].map((name) => model.tensors.readFloat32(`${prefix}${name}`).data);
		const [row, column, channel] = [2, 3, 5];
		let expected = (bias?.[channel] ?? 0) + (table?.[(row * 4 + column) * 8 + channel] ?? 0);
		for (let index = 0; index < 48; index++) {
			const [colour, y, x] = [Math.floor(index / 16), Math.floor(index / 4) % 4, index % 4];
			const pixel = pixels[(colour * size + row * 4 + y) * size + column * 4 + x] ?? 0;
			expected += (kernel?.[channel * 48 + index] ?? 0) * pixel;
		}
		expect(actual[(row * 4 + column) * 8 + channel]).toBeCloseTo(expected, 5);
	});
});

describe("connector", () => {
	test("joins the patches of a block, columns within rows", async () => {
		const identity = Float32Array.from({ length: 32 * 32 }, (_, index) => (index % 33 === 0 ? 1 : 0));
		const weights = new Map<string, NdArray>([[CONNECTOR, float32Array([32, 32], identity)]]);
		const patches = Float32Array.from({ length: 16 * 8 }, (_, index) => index);
		const tokens = await evaluate((graph) =>
			connector(
				graphWeights(graph, memoryTensors(weights), FROZEN),
				graph.initializer("patches", float32Array([1, 16, 8], patches)),
				vision,
			),
		);
		// token (1, 0) of the 2x2 grid joins patches (2,0), (2,1), (3,0), (3,1)
		const heads = [0, 8, 16, 24].map((offset) => (tokens[2 * 32 + offset] ?? 0) / 8);
		expect(heads).toEqual([8, 9, 12, 13]);
	});
});
