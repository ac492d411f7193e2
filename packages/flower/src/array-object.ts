// The Array object: a small JSON body that names the element type, the shape and the chunks.
import { FlowerError } from "./errors.ts";
import type { ObjectId } from "./ids.ts";
import { MAX_ARRAY_CHUNKS, MAX_ARRAY_RANK } from "./limits.ts";
import { encodeObject, type ParsedObject } from "./object.ts";
import { parseJson, pythonJsonString } from "./python-json.ts";

/** What an Array object says; one id per chunk, in order, repeated where chunks are equal. */
export interface ArrayInfo {
	readonly dtype: string;
	readonly shape: readonly number[];
	readonly stype: string;
	readonly chunkIds: readonly ObjectId[];
}

/** The bytes of an Array object and its unique children. */
export function encodeArrayObject(info: ArrayInfo): {
	readonly bytes: Uint8Array<ArrayBuffer>;
	readonly children: readonly ObjectId[];
} {
	const children = [...new Set(info.chunkIds)];
	const indexOf = new Map(children.map((id, index) => [id, index]));
	const indexes = info.chunkIds.map((id) => indexOf.get(id));
	const body =
		`{"dtype": ${pythonJsonString(info.dtype)}, "shape": [${info.shape.join(", ")}], ` +
		`"stype": ${pythonJsonString(info.stype)}, "arraychunk_ids": [${indexes.join(", ")}]}`;
	return { bytes: encodeObject("Array", children, new TextEncoder().encode(body)), children };
}

/**
 * Reads an Array object's body.
 * @throws FlowerError invalid-argument when it is malformed or does not use exactly the children of the head,
 * resource-exhausted over MAX_ARRAY_CHUNKS or MAX_ARRAY_RANK.
 */
export function parseArrayObject({ body, children }: ParsedObject, objectId: ObjectId): ArrayInfo {
	const fields: unknown = parseJson(new TextDecoder().decode(body));
	if (typeof fields !== "object" || fields === null) throw malformed("no JSON object", objectId);
	const dtype = "dtype" in fields ? fields.dtype : undefined;
	const stype = "stype" in fields ? fields.stype : undefined;
	if (typeof dtype !== "string" || typeof stype !== "string")
		throw malformed("dtype and stype must be strings", objectId);
	const shape = integers("shape" in fields ? fields.shape : undefined, "shape", MAX_ARRAY_RANK, objectId);
	const chunkIndexes = integers(
		"arraychunk_ids" in fields ? fields.arraychunk_ids : undefined,
		"arraychunk_ids",
		MAX_ARRAY_CHUNKS,
		objectId,
	);
	const chunkIds = chunkIndexes.map((index) => {
		const id = children[index];
		if (id === undefined) throw malformed(`chunk ${index} of ${children.length} children`, objectId);
		return id;
	});
	if (new Set(chunkIds).size !== children.length) throw malformed("a child is not used as a chunk", objectId);
	return { dtype, shape, stype, chunkIds };
}

function integers(value: unknown, name: string, maxLength: number, objectId: ObjectId): number[] {
	if (!Array.isArray(value)) throw malformed(`${name} must be a list`, objectId);
	if (value.length > maxLength)
		throw new FlowerError(
			"resource-exhausted",
			`An Array object has ${value.length} entries in ${name}; at most ${maxLength} are read.`,
			{ objectId },
		);
	return value.map((item: unknown) => {
		if (typeof item === "number" && Number.isSafeInteger(item) && item >= 0) return item;
		throw malformed(`${name} must hold non-negative integers`, objectId);
	});
}

function malformed(reason: string, objectId: ObjectId): FlowerError {
	return new FlowerError("invalid-argument", `Malformed Array object: ${reason}.`, { objectId });
}
