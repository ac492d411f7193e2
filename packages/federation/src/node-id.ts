// Numbers that Flower's messages carry, derived from the names and keys that stand behind them, so that nothing has
// to be stored for them to stay the same.
import { createHash } from "node:crypto";
import { SUPERLINK_NODE_ID } from "@zk0/flower";

/** The node id of a public key (PEM): the first 64 bits of its SHA-256; never 0 or 1, which are Flower's own. */
export function nodeIdOf(publicKeyPem: string): bigint {
	const id = firstWord(publicKeyPem);
	return id > SUPERLINK_NODE_ID ? id : id + 2n;
}

/** The number of a run in messages. */
export function runNumber(runId: string): bigint {
	return firstWord(runId);
}

/** Names a public key in logs and lists: 16 hex digits of its SHA-256. */
export function keyFingerprint(publicKeyPem: string): string {
	return createHash("sha256").update(publicKeyPem).digest("hex").slice(0, 16);
}

function firstWord(text: string): bigint {
	return createHash("sha256").update(text).digest().readBigUInt64BE();
}
