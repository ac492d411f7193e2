// Entries for tests of the prefix store: content and key follow from a number.
import { sha256Hex } from "@zk0/arrays/node";

/** The key of entry `number`. */
export function entryKey(number: number): string {
	return sha256Hex(`entry ${number}`);
}

/** The bytes of entry `number`: between 1 and 3000 of them. */
export function entryBytes(number: number): Uint8Array {
	const length = 1 + ((number * 7919) % 3000);
	return Uint8Array.from({ length }, (_, index) => (number * 31 + index * 17) % 251);
}
