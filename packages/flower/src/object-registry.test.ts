import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { ObjectTreeSchema } from "./gen/flwr/proto/message_pb.ts";
import { type ObjectId, objectIdOf } from "./ids.ts";
import { encodeObject, type ObjectType } from "./object.ts";
import { createObjectRegistry } from "./object-registry.ts";
import { memoryObjects } from "./object-store.ts";
import { treeNodes } from "./object-tree.ts";

type Tree = MessageInitShape<typeof ObjectTreeSchema>;
interface Made {
	readonly id: ObjectId;
	readonly bytes: Uint8Array;
	readonly tree: Tree;
}

/** An object with these children and its tree. */
function make(type: ObjectType, text: string, ...children: Made[]): Made {
	const bytes = encodeObject(
		type,
		children.map((child) => child.id),
		Buffer.from(text),
	);
	const id = objectIdOf(bytes);
	return { id, bytes, tree: { objectId: id, children: children.map((child) => child.tree) } };
}

const shared = make("ArrayChunk", "shared");
const own = make("ArrayChunk", "own");
const first = make("Message", "first", make("RecordDict", "{}", shared, own));
const second = make("Message", "second", make("RecordDict", "{ }", shared));
const treeOf = ({ tree }: Made) => treeNodes(create(ObjectTreeSchema, tree));

describe("registry of objects", () => {
	test("asks for what is missing, and only for that", async () => {
		const registry = createObjectRegistry(memoryObjects());
		expect(registry.announce(treeOf(first)).length).toBe(4);
		expect(await registry.get(shared.id)).toEqual({ kind: "pending" });
		expect(await registry.put(shared.id, shared.bytes)).toBe(true);
		expect(await registry.put(shared.id, shared.bytes)).toBe(true);
		expect(await registry.get(shared.id)).toEqual({ kind: "available", bytes: shared.bytes });
		expect(registry.announce(treeOf(first))).not.toContain(shared.id);
		expect(registry.announce(treeOf(second)).length).toBe(2);
		expect(registry.numObjects).toBe(6);
	});

	test("an object lives as long as a message needs it", async () => {
		const store = memoryObjects();
		const registry = createObjectRegistry(store);
		registry.announce(treeOf(first));
		registry.announce(treeOf(first));
		registry.announce(treeOf(second));
		await registry.put(shared.id, shared.bytes);
		await registry.put(own.id, own.bytes);
		await registry.release(shared.id);
		expect(await registry.get(shared.id)).toMatchObject({ kind: "available" });
		await registry.release(first.id);
		await registry.release(first.id);
		expect([await store.has(own.id), await store.has(shared.id)]).toEqual([false, true]);
		await registry.release(second.id);
		expect([registry.numObjects, await store.has(shared.id)]).toEqual([0, false]);
		expect(await registry.get(shared.id)).toEqual({ kind: "unknown" });
	});

	test("refuses what was not announced, is not the object, or has other children", async () => {
		const registry = createObjectRegistry(memoryObjects());
		expect(await registry.put(shared.id, shared.bytes)).toBe(false);
		registry.announce(treeOf(second));
		expect(await registry.put(shared.id, own.bytes)).toBe(false);
		await expect(registry.put(shared.id, Buffer.from("garbage"))).rejects.toMatchObject({
			code: "failed-precondition",
		});
		await expect(registry.put(second.id, own.bytes)).rejects.toThrow(/children/);
	});

	test("bytes that arrive after the release are not kept", async () => {
		const store = memoryObjects();
		const registry = createObjectRegistry({
			...store,
			write: async (id, bytes) => {
				await store.write(id, bytes);
				await registry.release(second.id);
			},
		});
		registry.announce(treeOf(second));
		expect(await registry.put(shared.id, shared.bytes)).toBe(true);
		expect([registry.numObjects, await store.has(shared.id)]).toEqual([0, false]);
	});
});
