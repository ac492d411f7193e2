// Expensive things made when first asked for.

/** The value of `key`, made when first asked for; a failure is not kept. */
export function once<Value>(
	made: Map<string, Promise<Value>>,
	key: string,
	make: () => Promise<Value>,
): Promise<Value> {
	const known = made.get(key);
	if (known !== undefined) return known;
	const fresh = make().catch((error: unknown) => {
		made.delete(key);
		throw error;
	});
	made.set(key, fresh);
	return fresh;
}
