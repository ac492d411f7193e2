// The nearest known word to a mistyped one, for the "did you mean" part of every package's error messages.
// Distance: restricted Damerau-Levenshtein (insert, delete, replace, swap of neighbours), after folding case and
// separators so that "local_steps", "local-steps" and "localSteps" are the same word.

function fold(word: string): string {
	return word.toLowerCase().replaceAll(/[-_\s]/g, "");
}

/** Number of single-character edits between two words. */
export function editDistance(from: string, to: string): number {
	const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, column) => column)];
	for (let row = 1; row <= from.length; row++) {
		const line = [row];
		for (let column = 1; column <= to.length; column++) {
			const above = rows[row - 1] ?? [];
			const same = from[row - 1] === to[column - 1];
			let best = Math.min(
				(above[column] ?? 0) + 1,
				(line[column - 1] ?? 0) + 1,
				(above[column - 1] ?? 0) + (same ? 0 : 1),
			);
			const swapped =
				row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
			if (swapped) best = Math.min(best, (rows[row - 2]?.[column - 2] ?? 0) + 1);
			line.push(best);
		}
		rows.push(line);
	}
	return rows[from.length]?.[to.length] ?? 0;
}

/**
 * The candidate closest to `word`, or undefined when none is near enough to be a likely slip
 * (at most a third of the longer word, at least two edits; or one is the beginning of the other).
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
	const wanted = fold(word);
	let best: { candidate: string; distance: number } | undefined;
	for (const candidate of candidates) {
		const known = fold(candidate);
		const isPrefix = wanted.length >= 3 && (known.startsWith(wanted) || wanted.startsWith(known));
		const distance = editDistance(wanted, known);
		const allowed = Math.max(2, Math.floor(Math.max(wanted.length, known.length) / 3));
		if (distance > allowed && !isPrefix) continue;
		if (distance >= Math.max(wanted.length, known.length)) continue;
		if (best === undefined || distance < best.distance) best = { candidate, distance };
	}
	return best?.candidate;
}

/** `; did you mean "rounds"?` for the end of a message, or a full stop when nothing is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
	const meant = nearest(word, candidates);
	return meant === undefined ? "." : `; did you mean "${meant}"?`;
}
