// What a run changed, site by site, with how sure the means over sites are.
import { formatChange } from "../format.ts";
import type { RunSummary } from "../run-directory/run-summary.ts";
import { type Interval, meanInterval } from "./interval.ts";
import { jointRows } from "./joint-errors.ts";

/** Means over sites from round 0 to the last round; null where less than two sites were measured. */
export interface Changes {
	/** Relative change of the held-out loss. */
	readonly loss: Interval | null;
	/** Change of the mean joint error in degrees, gripper apart. */
	readonly jointError: Interval | null;
}

/** The changes of a run. */
export function changesOf(run: RunSummary): Changes {
	return { loss: meanInterval(lossChanges(run)), jointError: meanInterval(errorChanges(run)) };
}

/** `−12 %` for -0.12. */
export function percentText(value: number): string {
	return formatChange(1, 1 + value);
}

/** `95 % interval −15 % to −9 %`. */
export function intervalText({ low, high }: Interval, show: (value: number) => string): string {
	return `95 % interval ${show(low)} to ${show(high)}`;
}

/** Relative change of the held-out loss by site, of sites measured before and after. */
function lossChanges(run: RunSummary): number[] {
	const [first, last] = [run.rounds.find(({ round }) => round === 0), run.rounds.at(-1)];
	if (first === undefined || last === undefined || last.round === 0) return [];
	return run.sites.flatMap((site) => {
		const [before, after] = [first.sites[site]?.heldOutLoss, last.sites[site]?.heldOutLoss];
		return before == null || after == null || before === 0 ? [] : [after / before - 1];
	});
}

/** Change of the mean joint error in degrees by site, gripper apart. */
function errorChanges(run: RunSummary): number[] {
	const joints = jointRows(run).filter(({ joint }) => !/gripper/i.test(joint));
	return run.sites.flatMap((name) => {
		const own = joints.flatMap(({ sites }) => sites.filter(({ site }) => site === name));
		const changes = own.flatMap(({ first, last }) => (first === null || last === null ? [] : [last - first]));
		return changes.length === 0 ? [] : [changes.reduce((sum, change) => sum + change, 0) / changes.length];
	});
}
