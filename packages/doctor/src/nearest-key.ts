// The known key nearest to a mistyped one (Levenshtein distance), for error messages.

/** The nearest of `known`; undefined when there is none. */
export function nearestKey(word: string, known: readonly string[]): string | undefined {
	const ranked = known.map((key) => ({ key, edits: edits(word.toLowerCase(), key.toLowerCase()) }));
	return ranked.sort((a, b) => a.edits - b.edits)[0]?.key;
}

function edits(from: string, to: string): number {
	let row = Array.from({ length: to.length + 1 }, (_, at) => at);
	for (const [index, letter] of from.split("").entries()) {
		const next = [index + 1];
		for (const [at, other] of to.split("").entries()) {
			const replaced = (row[at] ?? 0) + (letter === other ? 0 : 1);
			next.push(Math.min(replaced, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
		}
		row = next;
	}
	return row[to.length] ?? 0;
}
