// A run's events as lines of a log: what an operator would want to read later. Progress inside tasks is left out.
import type { RoundEvent } from "@zk0/federation";
import type { Log, LogFields, LogLevel } from "./log.ts";

interface EventLine {
	readonly level: LogLevel;
	readonly text: string;
	readonly fields: LogFields;
}

type Line = readonly [text: string, fields?: LogFields, level?: LogLevel];

const LINES: { readonly [K in RoundEvent["kind"]]?: (event: Extract<RoundEvent, { kind: K }>) => Line } = {
	"run.started": ({ runId, numRounds, strategy }) => [
		`${runId} begins: ${numRounds} rounds of ${strategy.name}`,
		{ numRounds, strategy: strategy.name },
	],
	"run.resumed": ({ round }) => [`the run goes on in round ${round}`],
	"run.waiting": ({ numOnline, numNeeded }) => [
		`waiting for sites: ${numOnline} of ${numNeeded} are online`,
		{ numOnline, numNeeded },
	],
	"site.joined": ({ site, numSamples }) => [`${site} is online with ${numSamples} samples`, { numSamples }],
	"site.left": ({ site, reason }) => [
		{ left: `${site} left`, offline: `${site} is offline`, paused: `${site} pauses` }[reason],
		{ reason },
		reason === "offline" ? "warn" : "info",
	],
	"round.started": ({ round, attempt, sites }) => [
		`round ${round} begins on ${sites.join(", ")}${attempt > 1 ? ` (attempt ${attempt})` : ""}`,
		{ attempt, sites },
	],
	"task.sent": ({ site, phase }) => [`${phase} task for ${site}`, { phase }],
	"update.received": ({ site, sha256, sizeBytes, numSamples, metrics }) => [
		`update of ${site}, ${numSamples} samples, ${sizeBytes} bytes`,
		{ sha256, sizeBytes, numSamples, loss: metrics["loss"] ?? null },
	],
	"update.clipped": ({ site, by, norm, limit }) => [
		`update of ${site} clipped by the ${by}: norm ${norm.toPrecision(3)}, limit ${limit}`,
		{ by, norm, limit },
	],
	"update.late": ({ site, sha256, sizeBytes, numSamples }) => [
		`update of ${site} came after its round was closed; it is kept`,
		{ sha256, sizeBytes, numSamples },
		"warn",
	],
	"site.stalled": ({ site, phase, seconds }) => [
		`${site} shows no progress on its ${phase} task for ${Math.round(seconds)} s`,
		{ phase, seconds },
		"warn",
	],
	"round.closed": ({ round, reason, without, numReceived }) => [
		`round ${round} goes on without ${without.join(", ")} (${reason})`,
		{ reason, without, numReceived },
		"warn",
	],
	"update.rejected": ({ site, code, message }) => [
		`update of ${site} refused (${code}): ${message}`,
		{ code },
		"warn",
	],
	"site.failed": ({ site, phase, code, message }) => [
		`${site} could not ${phase} (${code}): ${message}`,
		{ phase, code },
		"warn",
	],
	"updates.compared": ({ round, sites }) => [
		`round ${round}: cosine of each update with the others: ${sites.map(({ site, alignment }) => `${site} ${alignment === null ? "unknown" : alignment.toFixed(2)}`).join(", ")}`,
		{ sites },
	],
	"round.aggregated": ({ round, numUpdates, seconds, weightsSha256 }) => [
		`round ${round}: ${numUpdates} updates aggregated in ${seconds.toFixed(1)} s`,
		{ numUpdates, seconds, weightsSha256 },
	],
	"site.evaluated": ({ site, loss }) => [`${site} evaluated, loss ${loss ?? "unknown"}`, { loss }],
	"round.evaluated": ({ round, loss, bytesUp, bytesDown }) => [
		`round ${round} is done, loss ${loss ?? "unknown"}`,
		{ loss, bytesUp, bytesDown },
	],
	"round.failed": ({ round, numReceived, numNeeded }) => [
		`round ${round} brought ${numReceived} of ${numNeeded} updates`,
		{ numReceived, numNeeded },
		"warn",
	],
	"run.completed": ({ weightsSha256 }) => ["the run is complete", { weightsSha256 }],
	"run.failed": ({ code, message }) => [`the run failed (${code}): ${message}`, { code }, "error"],
	"run.stopped": ({ round }) => [`the run was stopped in round ${round}; it can go on`],
};

/** The line of an event of `run`; null for progress. */
export function eventLine(run: string, event: RoundEvent): EventLine | null {
	if (event.kind === "task.progress") return null;
	// The row of an event's kind takes that event.
	const line = LINES[event.kind] as ((e: RoundEvent) => Line) | undefined;
	const [text, facts = {}, level = "info"] = line?.(event) ?? [event.kind];
	const round = "round" in event ? event.round : undefined;
	const site = "site" in event ? event.site : undefined;
	return { level, text, fields: { run, round, site, event: event.kind, ...facts } };
}

/** Writes an event of `run` to a log. */
export function logEvent(log: Log, run: string, event: RoundEvent): void {
	const line = eventLine(run, event);
	if (line !== null) log(line.level, line.text, line.fields);
}
