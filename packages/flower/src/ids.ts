// Ids of the protocol. Object ids are SHA-256 in lower-case hex; node and run ids use all 64 bits, so they are bigint.
import { createHash } from "node:crypto";
import { FlowerError } from "./errors.ts";

/** SHA-256 of an object's bytes, 64 lower-case hex digits. Also a message's id: that of its Message object. */
export type ObjectId = string & { readonly __brand: "ObjectId" };

/** Node id of the SuperLink and of the ServerApp that acts through it. Ids 0 and 1 are never given to SuperNodes. */
export const SUPERLINK_NODE_ID = 1n;

const OBJECT_ID = /^[0-9a-f]{64}$/;

/** True for 64 lower-case hex digits. */
export function isObjectId(text: string): text is ObjectId {
	return OBJECT_ID.test(text);
}

/** @throws FlowerError invalid-argument for anything but 64 lower-case hex digits. */
export function parseObjectId(text: string): ObjectId {
	if (isObjectId(text)) return text;
	throw new FlowerError("invalid-argument", `"${text.slice(0, 80)}" is not an object id (64 hex digits).`);
}

/** The id of an object's bytes, head included; they may come in parts. */
export function objectIdOf(...parts: readonly Uint8Array[]): ObjectId {
	const hash = createHash("sha256");
	for (const part of parts) hash.update(part);
	return parseObjectId(hash.digest("hex"));
}
