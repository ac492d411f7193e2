import { float32Array, float32ToBfloat16, type NdArray, ndArray } from "@zk0/arrays";
import { expect, test } from "vitest";
import { float32Tensors, memoryTensors } from "./tensor-source.ts";

test("widened tensors have the same numbers and names, all in float32", () => {
	const values = Float32Array.of(1.5, -2, 0.25);
	const stored = new Map<string, NdArray>([
		["half", ndArray("bfloat16", [3], float32ToBfloat16(values))],
		["whole", float32Array([1], [7])],
	]);
	const source = float32Tensors(memoryTensors(stored));
	expect(source.names).toEqual(["half", "whole"]);
	expect(source.names.map((name) => source.dtypeOf(name))).toEqual(["float32", "float32"]);
	expect(source.read("half")).toEqual(float32Array([3], values));
	expect(source.read("whole")).toEqual(stored.get("whole"));
	expect(source.shapeOf("half")).toEqual([3]);
	expect(source.dtypeOf("absent")).toBeUndefined();
});
