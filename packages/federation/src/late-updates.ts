// Updates that came after their round was closed: of each site the newest is kept.
import type { RoundEvent } from "./events.ts";
import type { ObjectStore } from "./object-store.ts";
import type { RunState } from "./run-state.ts";

/** The same events; deletes a late update when a newer one of its site has come and nothing else is that object. */
export async function* newestLate(
	events: AsyncGenerator<RoundEvent, void>,
	stateNow: () => RunState,
	store: ObjectStore,
): AsyncGenerator<RoundEvent, void> {
	const late = new Map(Array.from(stateNow().lateUpdates, ([site, { sha256 }]) => [site, sha256]));
	for await (const event of events) {
		if (event.kind === "update.late") {
			const { open, weightsHistory } = stateNow();
			const older = late.get(event.site);
			late.set(event.site, event.sha256);
			const used = [...weightsHistory, ...late.values()];
			for (const { sha256 } of open?.updates.values() ?? []) used.push(sha256);
			if (older !== undefined && !used.includes(older)) await store.delete(older);
		}
		yield event;
	}
}
