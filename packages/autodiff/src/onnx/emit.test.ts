// The ONNX writer: wire encoding, names of outputs, shared constants, external data.
import { ndArray } from "@zk0/arrays";
import { describe, expect, test } from "vitest";
import { createGraph } from "../create-graph.ts";
import { add, exp, mul } from "../expr/elementwise.ts";
import { reshape } from "../expr/movement.ts";
import { reduceSum } from "../expr/reduction.ts";
import { emitOnnx } from "./emit.ts";
import { attributeProto, ProtoMessage } from "./proto.ts";

const hex = (message: ProtoMessage): string => Buffer.from(message.finish()).toString("hex");
const count = (bytes: Uint8Array, text: string): number =>
	Buffer.from(bytes).toString("latin1").split(text).length - 1;

describe("ProtoMessage", () => {
	test("encodes as protobuf's documentation", () => {
		expect(hex(new ProtoMessage().int(1, 150))).toBe("089601");
		expect(hex(new ProtoMessage().int(1, -1))).toBe("08ffffffffffffffffff01");
		expect(hex(new ProtoMessage().int(1, 2 ** 40))).toBe("08808080808020");
		expect(hex(new ProtoMessage().bytes(2, "testing"))).toBe("120774657374696e67");
		expect(hex(new ProtoMessage().bytes(3, new ProtoMessage().int(1, 150)))).toBe("1a03089601");
		expect(hex(new ProtoMessage().float(2, 1))).toBe("150000803f");
		expect(hex(new ProtoMessage().int(20, 7))).toBe("a00107");
	});

	test("attributes carry their type", () => {
		expect(hex(attributeProto("a", { int: 3 }))).toBe("0a01611803a00102");
		expect(hex(attributeProto("a", { float: 1 }))).toBe("0a0161150000803fa00101");
		expect(hex(attributeProto("a", { ints: [1, 2] }))).toBe("0a016140014002a00107");
		expect(hex(attributeProto("a", { string: "x" }))).toBe("0a0161220178a00103");
	});
});

describe("emitOnnx", () => {
	test("is a function of the graph", () => {
		const build = () => {
			const graph = createGraph();
			const x = graph.input("x", "float32", [2]);
			graph.output("y", reduceSum(mul(exp(x), 3)));
			return emitOnnx(graph.build());
		};
		expect(build()).toEqual(build());
	});

	test("an op is named after its output; inputs and second names go through Identity", () => {
		const graph = createGraph();
		const x = graph.input("x", "float32", [2]);
		const y = exp(x);
		graph.output("first", y);
		graph.output("second", y);
		graph.output("same", x);
		const bytes = emitOnnx(graph.build());
		expect(count(bytes, "Identity second")).toBe(1);
		expect(count(bytes, "Identity same")).toBe(1);
		expect(count(bytes, "Exp first")).toBe(1);
	});

	test("dead nodes are gone, declared inputs stay", () => {
		const graph = createGraph();
		const [x, unused] = [graph.input("x", "float32", [2]), graph.input("unused", "float32", [2])];
		add(exp(x), unused);
		graph.output("y", mul(x, 2));
		const bytes = emitOnnx(graph.build());
		expect([count(bytes, "Exp"), count(bytes, "Add"), count(bytes, "unused")]).toEqual([0, 0, 1]);
	});

	test("equal shapes and axes are one initializer", () => {
		const graph = createGraph();
		const x = graph.input("x", "float32", [2, 3]);
		const y = graph.input("y", "float32", [2, 3]);
		graph.output("z", add(exp(reshape(x, [6])), exp(reshape(y, [6]))));
		expect(count(emitOnnx(graph.build()), "#c")).toBe(3); // one declaration, two uses
	});

	test("external weights are named as the caller locates them", () => {
		const graph = createGraph();
		const source = {
			dtype: "float32",
			shape: [2],
			path: "/data/weights.bin",
			offsetBytes: 8,
			sizeBytes: 8,
		} as const;
		graph.output("y", exp(graph.externalInitializer("w", source)));
		const built = graph.build();
		expect(count(emitOnnx(built), "/data/weights.bin")).toBe(1);
		const bytes = emitOnnx(built, { locate: () => "elsewhere" });
		expect([count(bytes, "/data"), count(bytes, "elsewhere")]).toEqual([0, 1]);
	});

	test("initializer bytes are inside", () => {
		const graph = createGraph();
		graph.output(
			"y",
			exp(
				graph.initializer(
					"w",
					ndArray("float32", [1], new Float32Array(Uint8Array.from([0x5a, 0x4b, 0x30, 0x21]).buffer)),
				),
			),
		);
		expect(count(emitOnnx(graph.build()), "ZK0!")).toBe(1);
	});
});
