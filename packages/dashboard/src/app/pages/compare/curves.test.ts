// Losses of runs over one axis: what is drawn while a round is under way, and where runs have points of their own.
import { emptyRunView, type RoundRow } from "@zk0/dashboard/views";
import { expect, test } from "vitest";
import { overBytes, overRounds } from "./curves.ts";

const EMPTY: Omit<RoundRow, "round" | "loss" | "bytesUp"> = {
	attempt: 1,
	startedAt: null,
	endAt: null,
	spread: null,
	perSite: null,
	numAsked: 2,
	numCounted: null,
	numRefused: 0,
	numFailed: 0,
	bytesDown: null,
	aggregateSeconds: null,
	weightsSha256: null,
};

/** A run with these rounds; what a round sent is counted when it has ended. */
const run = (runId: string, rounds: readonly (readonly [bytesUp: number | null, loss: number | null])[]) => ({
	runId,
	view: {
		...emptyRunView(),
		rounds: rounds.map(([bytesUp, loss], round) => ({ ...EMPTY, round, bytesUp, loss })),
	},
});

test("the newest loss stays while the next round is under way", () => {
	const going = [
		run("a", [
			[0, 1],
			[100, 0.5],
			[null, null],
		]),
	];
	const { x, curves } = overBytes(going);
	expect([x, curves[0]?.values]).toEqual([
		[0, 100],
		[1, 0.5],
	]);
	expect(overRounds(going).curves[0]?.values).toEqual([1, 0.5]);
});

test("between its own points a run is a straight line, and nothing outside of them", () => {
	const { x, curves } = overBytes([
		run("a", [
			[0, 1],
			[100, 0.5],
		]),
		run("b", [
			[50, 0.8],
			[100, 0.4],
		]),
	]);
	expect(x).toEqual([0, 50, 100, 150]);
	expect(curves.map(({ name, values }) => [name, values])).toEqual([
		["a", [1, 0.75, 0.5, null]],
		["b", [null, 0.8, 0.6000000000000001, 0.4]],
	]);
});
