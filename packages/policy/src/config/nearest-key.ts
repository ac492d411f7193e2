// The known key closest to a mistyped one, by Levenshtein distance (for "did you mean" in errors).

function distance(from: string, to: string): number {
	let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
	for (let row = 1; row <= from.length; row++) {
		const current = [row];
		for (let column = 1; column <= to.length; column++) {
			const substitution = (previous[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
			current.push(Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
		}
		previous = current;
	}
	return previous[to.length] ?? 0;
}

/** The nearest of `known` to `key` (the first of equals), or undefined when `known` is empty. */
export function nearestKey(key: string, known: readonly string[]): string | undefined {
	let best: { readonly name: string; readonly edits: number } | undefined;
	for (const name of known) {
		const edits = distance(key.toLowerCase(), name.toLowerCase());
		if (best === undefined || edits < best.edits) best = { name, edits };
	}
	return best?.name;
}
