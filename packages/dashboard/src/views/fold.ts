// Folding events into a view: one function per kind of event that matters to it; the others pass.
import type { RoundEvent } from "@zk0/federation/events";

/** What each kind of event does to a view. */
export type Folds<View> = {
	readonly [Kind in RoundEvent["kind"]]?: (view: View, event: Extract<RoundEvent, { kind: Kind }>) => void;
};

/** Applies one event; the view is changed in place. */
export function fold<View>(folds: Folds<View>, view: View, event: RoundEvent): void {
	// The table's row for a kind takes events of that kind.
	const apply = folds[event.kind] as ((view: View, event: RoundEvent) => void) | undefined;
	apply?.(view, event);
}
