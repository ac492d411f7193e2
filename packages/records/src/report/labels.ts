// Labels at the right ends of lines, moved apart where they would cover each other.

/** A label that wants to be at `y`. */
export interface EndLabel {
	readonly text: string;
	readonly y: number;
	readonly colour: string;
	readonly strong: boolean;
}

/**
 * The labels in order of y with at least `spacing` between them, inside [top, bottom] as long as they fit, each as
 * near to its wish as that allows.
 */
export function spreadLabels(
	labels: readonly EndLabel[],
	room: { readonly top: number; readonly bottom: number; readonly spacing: number },
): EndLabel[] {
	const placed = [...labels].sort((a, b) => a.y - b.y).map((label) => ({ ...label }));
	let lowest = Number.NEGATIVE_INFINITY;
	for (const label of placed) {
		label.y = Math.max(label.y, lowest + room.spacing, room.top);
		lowest = label.y;
	}
	let highest = Math.max(room.bottom, room.top + room.spacing * (placed.length - 1));
	for (const label of placed.toReversed()) {
		label.y = Math.min(label.y, highest);
		highest = label.y - room.spacing;
	}
	return placed;
}
