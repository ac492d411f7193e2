// JSON values as they go into events and messages, and a canonical text for hashing and comparing them.

/** Anything JSON can hold. */
export type JsonValue =
	| string
	| number
	| boolean
	| null
	| readonly JsonValue[]
	| { readonly [key: string]: JsonValue };

/** JSON text with object keys sorted, equal for equal values. */
export function canonicalJson(value: JsonValue): string {
	return JSON.stringify(value, (_key, item: JsonValue) =>
		typeof item === "object" && item !== null && !Array.isArray(item)
			? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
			: item,
	);
}
