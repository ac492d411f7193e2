// Logs: lines that programs can join by their id and people can read.
import { expect, test } from "vitest";
import { script } from "../testing/sample-run.ts";
import { logEvent } from "./event-line.ts";
import { correlationId, createLog, renderLogLine } from "./log.ts";

function capture() {
	const lines: string[] = [];
	const log = createLog({ role: "server", write: (line) => lines.push(line), now: () => 0 });
	return { lines, log };
}

test("a line is one JSON object with time, level, role, id and facts", () => {
	const { lines, log } = capture();
	log("warn", "a line\nwith a break", {
		run: "r1",
		round: 2,
		site: "barn",
		event: "update.rejected",
		code: "late",
	});
	expect(lines).toHaveLength(1);
	expect(lines[0]?.endsWith("\n")).toBe(true);
	expect(JSON.parse(lines[0] ?? "")).toEqual({
		level: "warn",
		time: "1970-01-01T00:00:00.000Z",
		role: "server",
		id: "r1/2/barn",
		run: "r1",
		round: 2,
		site: "barn",
		event: "update.rejected",
		code: "late",
		msg: "a line\nwith a break",
	});
});

test("ids hold what is known", () => {
	expect([correlationId(), correlationId("r"), correlationId("r", 0), correlationId("r", 1, "s")]).toEqual([
		"",
		"r",
		"r/0",
		"r/1/s",
	]);
	expect(correlationId(undefined, undefined, "s")).toBe("s");
});

test("every event but progress has a line with its ids", () => {
	const { lines, log } = capture();
	const run = script(["barn"]).round(1, 0.5);
	run.add(
		{ kind: "update.rejected", round: 2, site: "barn", code: "late", message: "old", endsTask: false },
		{ kind: "run.waiting", numOnline: 0, numNeeded: 1 },
		{ kind: "site.left", site: "barn", reason: "offline" },
		{ kind: "run.failed", code: "storage", message: "the disk is gone" },
	);
	run.add({
		kind: "task.progress",
		round: 2,
		phase: "train",
		site: "barn",
		step: 1,
		numSteps: 2,
		loss: null,
		samplesPerSecond: null,
	});
	for (const event of run.events) logEvent(log, "run-1", event);
	expect(lines.map(renderLogLine)).toEqual([
		"1970-01-01 00:00:00 [run-1] run-1 begins: 3 rounds of fedavg",
		"1970-01-01 00:00:00 [run-1/1] round 1 begins on barn",
		"1970-01-01 00:00:00 [run-1/1/barn] train task for barn",
		"1970-01-01 00:00:00 [run-1/1/barn] update of barn, 80 samples, 1000 bytes",
		"1970-01-01 00:00:00 [run-1/1] round 1: cosine of each update with the others: barn 0.50",
		"1970-01-01 00:00:00 [run-1/1] round.accepted",
		"1970-01-01 00:00:00 [run-1/1] round 1: 1 updates aggregated in 0.5 s",
		"1970-01-01 00:00:00 [run-1/1/barn] evaluate task for barn",
		"1970-01-01 00:00:00 [run-1/1/barn] barn evaluated, loss 0.5",
		"1970-01-01 00:00:00 [run-1/1] round 1 is done, loss 0.5",
		"1970-01-01 00:00:00 [run-1/2/barn] warn: update of barn refused (late): old",
		"1970-01-01 00:00:00 [run-1] waiting for sites: 0 of 1 are online",
		"1970-01-01 00:00:00 [run-1/barn] warn: barn is offline",
		"1970-01-01 00:00:00 [run-1] error: the run failed (storage): the disk is gone",
	]);
});

test("what is no line of a log is shown as it is, and cures and stacks are shown", () => {
	expect(renderLogLine("error[internal]: boom")).toBe("error[internal]: boom");
	expect(renderLogLine("{ not json")).toBe("{ not json");
	expect(renderLogLine('{"a":1}')).toBe('{"a":1}');
	const { lines, log } = capture();
	log("error", "boom", { cure: "restart", stack: "at x" });
	expect(lines.map(renderLogLine)).toEqual(["1970-01-01 00:00:00 error: boom; what to do: restart\nat x"]);
});
