// Which alerts fire now: turns what holds at each look into beginnings and ends, each told once.
import type { ActiveAlert, Alert, AlertChange } from "./alert.ts";

/** The alerts of a server. */
export interface AlertBoard {
	/** Takes what holds now. @returns what began and what ended since the last time, in this order */
	update(holding: readonly Alert[], nowMs: number): AlertChange[];
	/** Those that fire, oldest first. */
	active(): readonly ActiveAlert[];
}

/** An empty board. */
export function createAlertBoard(): AlertBoard {
	const firing = new Map<string, ActiveAlert>();
	return {
		update(holding, nowMs) {
			const held = new Map(holding.map((alert) => [keyOf(alert), alert]));
			const changes: AlertChange[] = [];
			for (const [key, alert] of held) {
				const earlier = firing.get(key);
				// The words may change while it fires ("for 2 min", "for 3 min"); it is still the same alert.
				const active = { ...alert, sinceMs: earlier?.sinceMs ?? nowMs };
				firing.set(key, active);
				if (earlier === undefined) changes.push({ status: "firing", alert: active, atMs: nowMs });
			}
			for (const [key, alert] of firing) {
				if (held.has(key)) continue;
				firing.delete(key);
				changes.push({ status: "resolved", alert, atMs: nowMs });
			}
			return changes;
		},
		active: () => [...firing.values()].sort((a, b) => a.sinceMs - b.sinceMs),
	};
}

function keyOf({ rule, subject, run }: Alert): string {
	return JSON.stringify([rule, subject, run ?? null]);
}
