// Every vector of golden/flower/golden.json, made by Flower itself: the same values must give the same bytes and ids.
import { readFileSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { bytesOf, float32Array, type NdArray, ndArray, numElements } from "@zk0/arrays";
import { describe, expect, test } from "vitest";
import { chunked, memoryBytes, readAllChunks } from "./chunk-source.ts";
import {
	type DeflatedContent,
	deflateArray,
	deflateContent,
	deflateMessage,
	deflateRecord,
} from "./deflate.ts";
import { FlowerError } from "./errors.ts";
import { MessageSchema, ObjectTreeSchema } from "./gen/flwr/proto/message_pb.ts";
import { type ObjectId, objectIdOf, parseObjectId } from "./ids.ts";
import { inflateArray, inflateContent, inflateMessage, inflateRecord } from "./inflate.ts";
import {
	encodeEvaluateReply,
	encodeFitReply,
	encodeLegacyQuery,
	encodeLegacyRequest,
	LEGACY_STATUS_CODES,
} from "./legacy.ts";
import { instructionMetadata, MESSAGE_ERROR_CODES, type MessageMetadata, replyMetadata } from "./message.ts";
import { flowerArray, toNdArray } from "./numpy.ts";
import { encodeObject, parseObject } from "./object.ts";
import { treeNodes } from "./object-tree.ts";
import { pythonJsonIndex } from "./python-json.ts";
import {
	arrayRecord,
	configRecord,
	type FlowerArray,
	type FlowerRecord,
	metricRecord,
	type RecordDict,
} from "./record.ts";

interface GoldenObject {
	readonly object_id: string;
	readonly type: string;
	readonly children: readonly string[];
	readonly deflated_len: number;
	readonly head: string;
	readonly deflated_b64: string;
}
interface GoldenArray {
	readonly dtype: string;
	readonly shape: readonly number[];
	readonly stype: string;
	readonly data_len: number;
	readonly data_sha256: string;
	readonly npy_header: string;
	readonly data_b64?: string;
}
interface GoldenMessage {
	readonly message_to_proto_without_content_b64: string;
	readonly object_tree_b64: string;
	readonly post_order_ids: readonly string[];
}
interface Golden {
	readonly objects: Readonly<Record<string, GoldenObject>>;
	readonly arrays: Readonly<Record<string, GoldenArray>>;
	readonly messages: Readonly<Record<string, GoldenMessage>>;
}

const file = new URL("../../../golden/flower/golden.json", import.meta.url);
// The file's hash is in its README; its form is the interface above.
const golden = JSON.parse(readFileSync(file, "utf8")) as Golden;

const get = <V>(table: Readonly<Record<string, V>>, name: string): V => {
	const value = table[name];
	if (value === undefined) throw new RangeError(`golden.json has no ${name}`);
	return value;
};
const fromBase64 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "base64"));
const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

const ramp = (shape: number[], start = 0): NdArray =>
	float32Array(
		shape,
		Float32Array.from({ length: numElements(shape) }, (_, index) => index + start),
	);

/** The values behind `arrays`; the rest have element types or layouts that are only carried, never made, here. */
const ARRAYS: Readonly<Record<string, NdArray>> = {
	f32_2x3: ramp([2, 3]),
	f64_0d: ndArray("float64", [], Float64Array.of(3.5)),
	f32_empty: ramp([0]),
	f32_0x3: ramp([0, 3]),
	i64: ndArray("int64", [4], BigInt64Array.of(0n, 1n, 2n, 3n)),
	u8: ndArray("uint8", [4], Uint8Array.of(0, 1, 2, 3)),
	bool: ndArray("bool", [2], Uint8Array.of(1, 0)),
	f16: ndArray("float16", [3], Uint16Array.of(0, 0x3c00, 0x4000)),
	f32_zeros_4M: float32Array([4_000_000], new Float32Array(4_000_000)),
	f32_ramp_3M: ramp([3_000_000]),
};

/** The golden array itself: made from values where that is possible, else from its golden .npy bytes. */
function goldenArray(name: string): FlowerArray {
	const array = ARRAYS[name];
	if (array !== undefined) return flowerArray(array);
	const { dtype, shape, stype, data_b64 } = get(golden.arrays, name);
	return { dtype, shape, stype, data: chunked(memoryBytes(fromBase64(data_b64 ?? ""))) };
}

const npyChunks = [ramp([2], 1), ramp([1, 1], 3)].map((array) => flowerArray(array).data);
const legacyConfig = new Map([["acc", 0.5]]);
const status = { code: LEGACY_STATUS_CODES.ok, message: "Success" };

const metric = metricRecord([
	["num-examples", 10n],
	["loss", 0.5],
	["neg", -3n],
	["big", 2n ** 63n + 5n],
	["fl", [1, 2.5]],
	["il", [1n, -2n]],
	["ul", [1n, 2n ** 63n]],
	["el", []],
	["inf", Number.POSITIVE_INFINITY],
	["zero", 0n],
	["zerof", 0],
]);
const config = configRecord([
	["b", true],
	["f", false],
	["i", 7n],
	["d", 0.1],
	["s", "héllo"],
	["y", Uint8Array.of(0, 1)],
	["bl", [true, false]],
	["sl", ["a", ""]],
	["yl", [new Uint8Array(0), Uint8Array.of(0x78)]],
	["il", [-1n]],
	["dl", [0]],
	["el", []],
	["u", 2n ** 64n - 1n],
]);
const arrays = arrayRecord([
	["w", flowerArray(ramp([2, 3]))],
	["same", flowerArray(ramp([2, 3]))],
	['näme "q"', flowerArray(ramp([2], 1))],
]);

const RECORDS: Readonly<Record<string, FlowerRecord>> = {
	metric,
	config,
	arrayrecord: arrays,
	arrayrecord_empty: arrayRecord([]),
	metric_empty: metricRecord([]),
	config_empty: configRecord([]),
	arrayrecord_list: arrayRecord([
		["0", flowerArray(ramp([2], 1))],
		["1", flowerArray(ramp([1], 3))],
	]),
};

const CONTENTS: Readonly<Record<string, RecordDict>> = {
	recorddict: new Map<string, FlowerRecord>([
		["arrays", arrays],
		["metrics", metric],
		["config", config],
	]),
	recorddict_empty: new Map(),
	"compat:fitins": encodeLegacyRequest("fit", {
		parameters: npyChunks,
		config: new Map<string, number | bigint | boolean | string>([
			["lr", 0.1],
			["n", 1n],
			["flag", true],
			["s", "x"],
		]),
	}),
	"compat:fitres": encodeFitReply({ parameters: npyChunks, numExamples: 10, metrics: legacyConfig, status }),
	"compat:evaluateins": encodeLegacyRequest("evaluate", { parameters: npyChunks, config: new Map() }),
	"compat:evaluateres": encodeEvaluateReply({ loss: 0.25, numExamples: 10, metrics: legacyConfig, status }),
	"compat:getparametersins": encodeLegacyQuery("getparameters", new Map()),
	"compat:getpropertiesins": encodeLegacyQuery("getproperties", new Map()),
};

const trainIns = instructionMetadata({
	runId: 123456789012345678n,
	dstNodeId: 17413617117984928565n,
	messageType: "train",
	createdAtSeconds: 1764000000.25,
});
const trainInsId = parseObjectId(get(golden.objects, "message:train_ins").object_id);
const replyContent: RecordDict = new Map<string, FlowerRecord>([
	["arrays", arrays],
	[
		"metrics",
		metricRecord([
			["num-examples", 10n],
			["loss", 0.5],
		]),
	],
]);
const MESSAGES: Readonly<
	Record<string, { metadata: MessageMetadata; payload: RecordDict | { code: number; reason: string } }>
> = {
	train_ins: { metadata: trainIns, payload: get(CONTENTS, "recorddict") },
	train_reply: { metadata: replyMetadata(trainIns, trainInsId, 1764000001.5), payload: replyContent },
	error_reply: {
		metadata: replyMetadata(trainIns, trainInsId, 1764000000.25),
		payload: {
			code: MESSAGE_ERROR_CODES.clientAppRaised,
			reason: "<class 'ZeroDivisionError'>:<'division by zero'>",
		},
	},
	error_noreason: {
		metadata: { ...replyMetadata(trainIns, trainInsId, 1764000000.25), srcNodeId: 5n },
		payload: { code: MESSAGE_ERROR_CODES.unknown, reason: "" },
	},
	custom_type: {
		metadata: { ...trainIns, groupId: "3", messageType: "query.hello_1" },
		payload: new Map(),
	},
};

/** Checks root, children and bytes against the vector, and that each object's bytes hash to its id. */
async function expectDeflated(name: string, { root, objects }: DeflatedContent): Promise<void> {
	const want = get(golden.objects, name);
	expect(root).toBe(want.object_id);
	const source = objects.get(root);
	expect(source?.children).toEqual(want.children);
	expect(toBase64((await source?.read()) ?? new Uint8Array())).toBe(want.deflated_b64);
	for (const [id, object] of objects) expect(objectIdOf(await object.read())).toBe(id);
}

const readerOf = ({ objects }: Pick<DeflatedContent, "objects">) => ({
	read: async (id: ObjectId) => {
		const source = objects.get(id);
		if (source === undefined) throw new FlowerError("not-found", "No such object.", { objectId: id });
		return source.read();
	},
});

test("the vectors are all used", () => {
	const used = [
		...Object.keys(golden.arrays).map((name) => `array:${name}`),
		...Object.keys(MESSAGES).map((name) => `message:${name}`),
		...Object.keys(RECORDS),
		...Object.keys(CONTENTS).flatMap((name) => [
			name,
			...(name.startsWith("compat:")
				? Array.from(get(CONTENTS, name).keys(), (key) => `${name}:${key}`)
				: []),
		]),
		"chunk:abc",
	];
	expect(used.sort()).toEqual(Object.keys(golden.objects).sort());
	expect(Object.keys(golden.messages).sort()).toEqual(Object.keys(MESSAGES).sort());
});

describe("objects", () => {
	test.each(Object.entries(golden.objects))("%s: head, children, length, id, spelling", (_, want) => {
		const bytes = fromBase64(want.deflated_b64);
		expect(bytes.length).toBe(want.deflated_len);
		expect(objectIdOf(bytes)).toBe(want.object_id);
		const { type, children, body } = parseObject(bytes);
		expect([type, children]).toEqual([want.type, want.children]);
		expect(toBase64(encodeObject(type, children, body))).toBe(want.deflated_b64);
		expect(Buffer.from(bytes.subarray(0, bytes.length - body.length - 1)).toString()).toBe(want.head);
	});

	test("chunk:abc", () => {
		const want = get(golden.objects, "chunk:abc");
		expect(toBase64(encodeObject("ArrayChunk", [], Buffer.from("abc")))).toBe(want.deflated_b64);
	});
});

describe("arrays", () => {
	test.each(Object.entries(golden.arrays))("%s: .npy bytes, chunks, id", async (name, want) => {
		const array = goldenArray(name);
		expect([array.dtype, array.shape, array.stype]).toEqual([want.dtype, want.shape, want.stype]);
		const npy = await readAllChunks(array.data, { maxBytes: 20_000_000 });
		expect(npy.length).toBe(want.data_len);
		expect(objectIdOf(npy)).toBe(want.data_sha256);
		expect(Buffer.from(npy.subarray(0, 128)).toString("latin1")).toBe(want.npy_header);
		const deflated = await deflateArray(array);
		await expectDeflated(`array:${name}`, deflated);
		const inflated = await inflateArray(deflated.root, readerOf(deflated));
		expect(inflated.data.numChunks).toBe(array.data.numChunks);
		expect((await deflateArray(inflated)).root).toBe(deflated.root);
		const made = ARRAYS[name];
		if (made === undefined) return;
		const { dtype, shape, data } = await toNdArray(inflated);
		expect([dtype, shape]).toEqual([made.dtype, made.shape]);
		expect(Buffer.compare(bytesOf(data), bytesOf(made.data))).toBe(0);
	});

	test("Fortran order and big-endian bytes are converted, other types named", async () => {
		expect(await toNdArray(goldenArray("f32_fortran"))).toEqual(ramp([2, 3]));
		expect(await toNdArray(goldenArray("f32_be"))).toEqual(ramp([3]));
		await expect(toNdArray(goldenArray("c64"))).rejects.toThrow(/<c8 are not supported/);
		await expect(toNdArray(goldenArray("str_u3"))).rejects.toThrow(/<U3 are not supported/);
	});
});

describe("records", () => {
	test.each(Object.entries(RECORDS))("%s", async (name, record) => {
		const deflated = await deflateRecord(record);
		await expectDeflated(name, deflated);
		const inflated = await inflateRecord(deflated.root, readerOf(deflated));
		expect(inflated.kind).toBe(record.kind);
		expect([...inflated.entries.keys()]).toEqual([...record.entries.keys()]);
		await expectDeflated(name, await deflateRecord(inflated));
	});

	test.each([metric, config])("values survive", async (record) => {
		const deflated = await deflateRecord(record);
		expect(await inflateRecord(deflated.root, readerOf(deflated))).toEqual(record);
	});

	test.each(Object.entries(CONTENTS))("%s", async (name, content) => {
		const deflated = await deflateContent(content);
		await expectDeflated(name, deflated);
		if (name.startsWith("compat:"))
			for (const [key, record] of content)
				await expectDeflated(`${name}:${key}`, await deflateRecord(record));
		const inflated = await inflateContent(deflated.root, readerOf(deflated));
		expect([...inflated.keys()]).toEqual([...content.keys()]);
		await expectDeflated(name, await deflateContent(inflated));
	});
});

describe("messages", () => {
	test.each(Object.entries(golden.messages))("%s: object, wire form, tree", async (name, want) => {
		const { metadata, payload } = get(MESSAGES, name);
		const content = payload instanceof Map ? await deflateContent(payload) : undefined;
		const message = deflateMessage(metadata, content ?? (payload as { code: number; reason: string }));
		await expectDeflated(`message:${name}`, { root: message.id, objects: message.objects });
		const wire = toBinary(MessageSchema, create(MessageSchema, message.wire));
		expect(toBase64(wire)).toBe(want.message_to_proto_without_content_b64);
		const tree = toBinary(ObjectTreeSchema, create(ObjectTreeSchema, message.tree));
		expect(toBase64(tree)).toBe(want.object_tree_b64);
		expect(treeNodes(fromBinary(ObjectTreeSchema, tree)).map(({ id }) => id)).toEqual(want.post_order_ids);
		expect([...message.objects.keys()]).toEqual(want.post_order_ids);
		const inflated = await inflateMessage(message.id, readerOf(message));
		expect(inflated.metadata).toEqual(metadata);
		expect(inflated.payload.kind).toBe(payload instanceof Map ? "content" : "error");
	});
});

test("JSON is spelled as Python spells it", () => {
	const text = pythonJsonIndex([['a"\\\n\r\t\b\f\u0001\u007f/é😀', "x"]]);
	expect(text).toBe('{"a\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u007f/\\u00e9\\ud83d\\ude00": "x"}');
});
