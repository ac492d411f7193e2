// Bytes from outside: whatever they are, parsers answer with a FlowerError or a value, under their limits.
import { readFileSync } from "node:fs";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { float32Array, ndArray } from "@zk0/arrays";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeArrayObject, parseArrayObject } from "./array-object.ts";
import { chunked, concatBytes, memoryBytes, readAllChunks } from "./chunk-source.ts";
import { deflateContent, deflateMessage } from "./deflate.ts";
import { FlowerError } from "./errors.ts";
import { PullMessagesResponseSchema } from "./gen/flwr/proto/fleet_pb.ts";
import { type ObjectTree, ObjectTreeSchema } from "./gen/flwr/proto/message_pb.ts";
import { type ObjectId, objectIdOf, parseObjectId } from "./ids.ts";
import { inflateMessage } from "./inflate.ts";
import { MAX_ARRAY_CHUNKS, MAX_ARRAY_RANK, MAX_INDEX_BODY_BYTES, MAX_OBJECT_HEAD_BYTES } from "./limits.ts";
import { instructionMetadata } from "./message.ts";
import { flowerArray, openArray, toNdArray } from "./numpy.ts";
import { encodeObject, parseObject } from "./object.ts";
import { treeNodes } from "./object-tree.ts";
import { decodeProtobuf, encodeProtobuf } from "./protobuf.ts";
import { parseJsonIndex, pythonJsonIndex } from "./python-json.ts";
import {
	arrayRecord,
	type ConfigValue,
	configRecord,
	type FlowerRecord,
	type MetricValue,
	metricRecord,
} from "./record.ts";
import {
	decodeConfigRecord,
	decodeMetricRecord,
	encodeConfigRecord,
	encodeMetricRecord,
} from "./record-values.ts";

const file = new URL("../../../golden/flower/golden.json", import.meta.url);
// The file's hash is in golden/flower/README.md.
const golden = JSON.parse(readFileSync(file, "utf8")) as {
	readonly objects: Readonly<Record<string, { readonly type: string; readonly deflated_b64: string }>>;
};
const seeds = Object.values(golden.objects).map(({ deflated_b64 }) => Buffer.from(deflated_b64, "base64"));

/** True when `work` gives a value or a FlowerError; anything else is thrown. */
async function isAnswered(work: () => unknown): Promise<boolean> {
	try {
		await work();
	} catch (caught) {
		if (!(caught instanceof FlowerError)) throw caught;
	}
	return true;
}

/** Some valid bytes, changed in places, cut or extended. */
const mutated = (valid: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> =>
	fc
		.tuple(
			fc.constantFrom(...valid),
			fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
			fc.option(fc.nat()),
			fc.uint8Array({ maxLength: 8 }),
		)
		.map(([bytes, edits, cut, tail]) => {
			const out = Uint8Array.from([...bytes, ...tail]);
			for (const [position, value] of edits) out[position % out.length] = value;
			return cut === null ? out : out.slice(0, cut % (out.length + 1));
		});

const id = (digit: string): string => digit.repeat(64);
const zeroId = parseObjectId(id("0"));

describe("mutated bytes", () => {
	test("objects and their bodies", async () => {
		await fc.assert(
			fc.asyncProperty(mutated(seeds), async (bytes) => {
				const isDone = await isAnswered(() => {
					const parsed = parseObject(bytes);
					if (parsed.type === "Array") parseArrayObject(parsed, zeroId);
					if (parsed.type === "MetricRecord") decodeMetricRecord(parsed.body);
					if (parsed.type === "ConfigRecord") decodeConfigRecord(parsed.body);
					if (parsed.type === "ArrayRecord") parseJsonIndex(Buffer.from(parsed.body).toString());
				});
				expect(isDone).toBe(true);
			}),
			{ numRuns: 500 },
		);
	});

	test("whole messages", async () => {
		const metadata = instructionMetadata({
			runId: 1n,
			dstNodeId: 2n,
			messageType: "train",
			createdAtSeconds: 1_764_000_000,
		});
		const content = await deflateContent(
			new Map<string, FlowerRecord>([
				["arrays", arrayRecord([["w", flowerArray(float32Array([2], [1, 2]), 32)]])],
				["config", configRecord([["x", 1n]])],
			]),
		);
		const message = deflateMessage(metadata, content);
		const all = new Map<ObjectId, Uint8Array>();
		for (const [objectId, object] of message.objects) all.set(objectId, await object.read());
		await fc.assert(
			fc.asyncProperty(fc.constantFrom(...all.keys()), mutated([...all.values()]), async (victim, bytes) => {
				const reader = {
					read: async (objectId: ObjectId) => {
						const found = objectId === victim ? bytes : all.get(objectId);
						if (found === undefined) throw new FlowerError("not-found", "gone", { objectId });
						return found;
					},
				};
				const isDone = await isAnswered(async () => {
					const { payload } = await inflateMessage(message.id, reader);
					const record = payload.kind === "content" ? payload.content.get("arrays") : undefined;
					const array = record?.kind === "arrays" ? record.entries.get("w") : undefined;
					if (array !== undefined) await toNdArray(array, { maxBytes: 1000 });
				});
				expect(isDone).toBe(true);
			}),
			{ numRuns: 300 },
		);
	});

	test(".npy arrays", async () => {
		const npy = await readAllChunks(flowerArray(float32Array([2, 3], [1, 2, 3, 4, 5, 6])).data, {
			maxBytes: 999,
		});
		await fc.assert(
			fc.asyncProperty(mutated([npy]), fc.integer({ min: 1, max: 200 }), async (bytes, chunkBytes) => {
				const data = chunked(memoryBytes(bytes), chunkBytes);
				const array = { dtype: "", shape: [], stype: "numpy.ndarray", data };
				expect(await isAnswered(() => toNdArray(array, { maxBytes: 1000 }))).toBe(true);
				expect(await isAnswered(() => openArray(array))).toBe(true);
			}),
			{ numRuns: 300 },
		);
	});

	test("protobuf messages", async () => {
		const valid = encodeProtobuf(PullMessagesResponseSchema, {
			messagesList: [{ metadata: { runId: 1n, messageType: "train" }, error: { code: 1n, reason: "x" } }],
			messageObjectTrees: [{ objectId: id("a"), children: [{ objectId: id("b") }] }],
		});
		await fc.assert(
			fc.asyncProperty(mutated([valid]), async (bytes) => {
				const decode = () =>
					decodeProtobuf(PullMessagesResponseSchema, bytes).messageObjectTrees.map(treeNodes);
				expect(await isAnswered(decode)).toBe(true);
			}),
			{ numRuns: 500 },
		);
	});
});

describe("round trips", () => {
	const integer = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n });
	const small = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
	const metric: fc.Arbitrary<MetricValue> = fc.oneof(
		fc.double(),
		integer,
		fc.array(fc.double()),
		fc.array(small),
		fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
	);
	const config: fc.Arbitrary<ConfigValue> = fc.oneof(
		metric,
		fc.boolean(),
		fc.string({ unit: "grapheme" }),
		fc.uint8Array(),
		fc.array(fc.boolean()),
		fc.array(fc.string()),
		fc.array(fc.uint8Array()),
	);
	const key = fc.string({ unit: "grapheme" });

	test("metric and config records", () => {
		fc.assert(
			fc.property(fc.array(fc.tuple(key, metric)), fc.array(fc.tuple(key, config)), (metrics, configs) => {
				const metricsIn = metricRecord(metrics);
				expect(decodeMetricRecord(encodeMetricRecord(metricsIn))).toEqual(metricsIn);
				const configIn = configRecord(configs);
				expect(decodeConfigRecord(encodeConfigRecord(configIn))).toEqual(configIn);
			}),
		);
	});

	test("names and ids, in their order, whatever the names", () => {
		const entry = fc.tuple(fc.oneof(fc.string({ unit: "binary" }), fc.nat().map(String)), fc.string());
		fc.assert(
			fc.property(fc.uniqueArray(entry, { selector: ([name]) => name }), (entries) => {
				const text = pythonJsonIndex(entries);
				expect([...parseJsonIndex(text)]).toEqual(entries);
				const byName = (a: string[], b: string[]): number => ((a[0] ?? "") < (b[0] ?? "") ? -1 : 1);
				const parsed: Record<string, string> = JSON.parse(text);
				expect(Object.entries(parsed).sort(byName)).toEqual([...entries].sort(byName));
				expect(/^[ -~]*$/.test(text)).toBe(true);
			}),
			{ numRuns: 40 },
		);
		expect([...parseJsonIndex('{"10":"a","2":"b"}').keys()]).toEqual(["10", "2"]);
		expect([...parseJsonIndex(" { } ").keys()]).toEqual([]);
	});

	test("bytes cut in chunks", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 4 }),
				fc.integer({ min: 1, max: 30 }),
				async (parts, chunkBytes) => {
					const whole = Buffer.concat(parts);
					const source = chunked(concatBytes(parts.map(memoryBytes)), chunkBytes);
					expect(Buffer.compare(await readAllChunks(source, { maxBytes: 1000 }), whole)).toBe(0);
				},
			),
		);
	});

	test("arrays of any shape and chunk size", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(fc.nat(4), { maxLength: 4 }),
				fc.integer({ min: 1, max: 200 }),
				async (shape, chunkBytes) => {
					const length = shape.reduce((product, dim) => product * dim, 1);
					const array = ndArray(
						"int16",
						shape,
						Int16Array.from({ length }, (_, index) => index),
					);
					expect(await toNdArray(flowerArray(array, chunkBytes))).toEqual(array);
				},
			),
		);
	});
});

describe("limits and malformed input", () => {
	const parseText = (text: string) => () => parseObject(Buffer.from(text, "latin1"));

	test.each([
		["ArrayChunk  3", "no head"],
		["Chunk  3\0abc", "known type"],
		["ArrayChunk  3 \0abc", "known type"],
		["ArrayChunk 3\0abc", "known type"],
		["ArrayChunk  2\0abc", "says 2 bytes"],
		["ArrayChunk  03\0abc", "says 03 bytes"],
		[`Array ${id("A")} 0\0`, "not an object id"],
		[`Array ${id("a")},${id("a")} 0\0`, "named twice"],
	])("object %j: %s", (text, reason) => {
		expect(parseText(text)).toThrow(reason);
	});

	test("heads and bodies have a size", () => {
		const long = Buffer.alloc(MAX_OBJECT_HEAD_BYTES + 1, "a");
		expect(() => parseObject(long)).toThrow(/over .* bytes/);
		const body = new Uint8Array(MAX_INDEX_BODY_BYTES + 1);
		expect(() => parseObject(encodeObject("ConfigRecord", [], body))).toThrow(/at most/);
		expect(parseObject(encodeObject("ArrayChunk", [], body)).body.length).toBe(body.length);
	});

	test("an array's chunks and axes are counted, its children all used", () => {
		const array = (body: object, children: string[] = []) =>
			parseArrayObject(
				{ type: "Array", children: children.map(parseObjectId), body: Buffer.from(JSON.stringify(body)) },
				zeroId,
			);
		const valid = { dtype: "float32", shape: [1], stype: "numpy.ndarray", arraychunk_ids: [0] };
		expect(array(valid, [id("a")]).chunkIds).toEqual([id("a")]);
		expect(() => array(valid)).toThrow(/chunk 0 of 0/);
		expect(() => array(valid, [id("a"), id("b")])).toThrow(/not used/);
		expect(() => array({ ...valid, shape: [-1] })).toThrow(/non-negative/);
		expect(() => array({ ...valid, shape: "3" })).toThrow(/list/);
		expect(() => array({ ...valid, dtype: 4 })).toThrow(/strings/);
		expect(() => array([])).toThrow(/strings/);
		const tooManyChunks = { ...valid, arraychunk_ids: Array.from({ length: MAX_ARRAY_CHUNKS + 1 }, () => 0) };
		expect(() => array(tooManyChunks, [id("a")])).toThrow(/at most/);
		expect(() => array({ ...valid, shape: Array.from({ length: MAX_ARRAY_RANK + 1 }, () => 1) })).toThrow(
			/at most/,
		);
		const { children } = encodeArrayObject({
			...valid,
			chunkIds: [parseObjectId(id("a")), parseObjectId(id("a"))],
		});
		expect(children).toEqual([id("a")]);
	});

	test("a tree's depth and consistency", () => {
		const node = (objectId: string, ...children: MessageInitShape<typeof ObjectTreeSchema>[]): ObjectTree =>
			create(ObjectTreeSchema, { objectId, children });
		const shared = node(id("c"));
		expect(treeNodes(node(id("a"), node(id("b"), shared), shared)).map((entry) => entry.id)).toEqual([
			id("c"),
			id("b"),
			id("a"),
		]);
		expect(() => treeNodes(node(id("a"), node(id("b"), shared), node(id("b"))))).toThrow(/two sets/);
		expect(() => treeNodes(node("xyz"))).toThrow(/not an object id/);
		let deep = node(id("f"));
		for (const digit of ["5", "4", "3", "2", "1"]) deep = node(id(digit), deep);
		expect(() => treeNodes(deep)).toThrow(/levels/);
	});

	test("arrays are read up to a size, and only if they are what the record says", async () => {
		const array = flowerArray(float32Array([2], [1, 2]));
		await expect(toNdArray(array, { maxBytes: 7 })).rejects.toMatchObject({ code: "resource-exhausted" });
		await expect(toNdArray({ ...array, shape: [3] })).rejects.toThrow(/says float32\[3\]/);
		await expect(toNdArray({ ...array, dtype: "int32" })).rejects.toThrow(/holds float32/);
		await expect(toNdArray({ ...array, stype: "pickle" })).rejects.toMatchObject({ code: "unimplemented" });
		const short = { ...array, data: chunked(memoryBytes(new Uint8Array(10))) };
		await expect(toNdArray(short)).rejects.toThrow(/magic/);
		const npy = await readAllChunks(array.data, { maxBytes: 1000 });
		const cut = (bytes: Uint8Array) => ({ ...array, data: chunked(memoryBytes(bytes), 50) });
		await expect(toNdArray(cut(npy.subarray(0, -1)))).rejects.toThrow(/not the 8 bytes/);
		await expect(toNdArray(cut(Uint8Array.from([...npy, 0])))).rejects.toThrow(/not the 8 bytes/);
		await expect(toNdArray(cut(npy.subarray(0, 60)))).rejects.toThrow(/inside its .npy header/);
		const marked = flowerArray(ndArray("bfloat16", [2], Uint16Array.of(0x3f80, 0xc000)));
		expect(marked).toMatchObject({ dtype: "bfloat16", stype: "zk0.bfloat16", shape: [2] });
		expect(await toNdArray(marked)).toEqual(ndArray("bfloat16", [2], Uint16Array.of(0x3f80, 0xc000)));
		await expect(toNdArray({ ...marked, stype: "numpy.ndarray" })).rejects.toThrow(/holds uint16/);
		await expect(toNdArray({ ...array, stype: "zk0.bfloat16" })).rejects.toThrow(/expected uint16/);
	});

	test("records refuse what the wire cannot hold", () => {
		expect(() => encodeMetricRecord(metricRecord([["x", 2n ** 64n]]))).toThrow(RangeError);
		expect(() => encodeMetricRecord(metricRecord([["x", [-1n, 2n ** 63n]]]))).toThrow(RangeError);
		// A caller without types could pass these.
		const untyped = { kind: "metrics", entries: new Map([["x", true]]) } as unknown as ReturnType<
			typeof metricRecord
		>;
		expect(() => encodeMetricRecord(untyped)).toThrow(TypeError);
		const mixed = { kind: "config", entries: new Map([["x", [1, "a"]]]) } as unknown as ReturnType<
			typeof configRecord
		>;
		expect(() => encodeConfigRecord(mixed)).toThrow(TypeError);
	});

	test.each([
		'{"a":1}',
		"[]",
		'{"a":"b"',
		'{"a" "b"}',
		'{"a":"b",}',
		'{"a":"b"}}',
		'{"a":"x","a":"y"}',
		'{a:"b"}',
		"",
	])("index %j", (text) => {
		expect(() => parseJsonIndex(text)).toThrow(FlowerError);
	});

	test("ids are 64 lower-case hex digits", () => {
		expect(() => parseObjectId(id("A"))).toThrow(FlowerError);
		expect(objectIdOf(new Uint8Array(0))).toMatch(/^e3b0c442/);
	});
});
