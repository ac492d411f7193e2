// A point of the fault matrix, and how one is tried and judged.
import { readFile } from "node:fs/promises";
import { type RoundEvent, verifyEventLog } from "@zk0/federation";
import { acceptedSets, type references } from "./reference.ts";
import { finalWeights, NUM_ROUNDS, openStage, SITES, type Stage, type StageOptions } from "./stage.ts";

/** What was measured while a fault was made. */
export interface Measured {
	/** From the restart, or from the end of the fault, until what was away worked again. */
	readonly recoveryMs: number | null;
	/** Limit that the specification sets to `recoveryMs`; more is a failure. */
	readonly limitMs?: number;
	/** Anything else worth knowing. */
	readonly note?: string;
}

/** A fault and where it strikes. */
export interface FaultPoint {
	readonly group: string;
	/** What is done, and when. */
	readonly what: string;
	/** `transient`: all updates of all sites must be in. `removing`: a site loses its update of `round`. */
	readonly kind: "transient" | "removing";
	readonly stage?: StageOptions;
	/** Makes the fault and mends it. Ends before the run does. */
	readonly make: (stage: Stage) => Promise<Measured>;
	/** Whom and which round a removing fault concerns. */
	readonly removes?: { readonly site: string; readonly round: number };
	/** What else the log must say; null: it does. Without `removes`, a removing fault may cost any update. */
	readonly needs?: (events: readonly RoundEvent[]) => string | null;
	/** Code under which the log must name the refusal. */
	readonly refusal?: string;
}

/** The outcome of a point. */
export interface FaultResult {
	readonly point: Pick<FaultPoint, "group" | "what" | "kind" | "refusal">;
	readonly failure: string | null;
	readonly measured: Measured | null;
	readonly isHashEqual: boolean;
	/** Trainings beyond one per site and round. */
	readonly numRepeated: number;
}

/** Tries a point. */
export async function tryPoint(
	point: FaultPoint,
	reference: ReturnType<typeof references>,
): Promise<FaultResult> {
	let measured: Measured | null = null;
	let isHashEqual = false;
	let numRepeated = 0;
	let stage: Stage | null = null;
	try {
		await using opened = await openStage(point.stage);
		stage = opened;
		measured = await point.make(opened);
		const sha256 = await finalWeights(opened);
		const { initialWeightsPath, eventsPath } = opened.federation;
		const { events } = await verifyEventLog(eventsPath);
		const sets = acceptedSets(events);
		requireSets(point, sets);
		const key = JSON.stringify(point.stage?.model ?? "small");
		isHashEqual = sha256 === (await reference(initialWeightsPath, sets, key));
		numRepeated =
			opened.clientLines.filter(({ kind }) => kind === "trained").length - NUM_ROUNDS * SITES.length;
		if (!isHashEqual) throw new RangeError("the weights differ from those of the run in memory");
		requireRefusal(point, events);
		const missing = point.needs?.(events) ?? null;
		if (missing !== null) throw new RangeError(missing);
		const { recoveryMs, limitMs } = measured;
		if (limitMs !== undefined && !(recoveryMs !== null && recoveryMs <= limitMs))
			throw new RangeError(`${Math.round(recoveryMs ?? Number.NaN)} ms, the limit is ${limitMs} ms`);
		return { point, failure: null, measured, isHashEqual, numRepeated };
	} catch (error) {
		const failure = [error instanceof Error ? error.message : String(error), ...endOfClients(stage)].join(
			"; ",
		);
		return { point, failure, measured, isHashEqual, numRepeated };
	}
}

/** Clients that ended with an error: often why nothing happens. */
function endOfClients(stage: Stage | null): string[] {
	const lines = stage?.clientLines.filter(({ kind }) => kind === "failed") ?? [];
	return lines.map(({ site, text }) => `${site} ended: ${text}`);
}

function requireSets({ kind, removes }: FaultPoint, sets: ReadonlyMap<number, readonly string[]>): void {
	if (kind === "removing" && removes === undefined) return;
	for (let round = 1; round <= NUM_ROUNDS; round++) {
		const isHit = kind === "removing" && removes?.round === round;
		const wanted = SITES.filter((site) => !(isHit && removes.site === site));
		const found = sets.get(round) ?? [];
		if (found.join() !== wanted.join())
			throw new RangeError(`round ${round} accepted ${found.join(", ")}, expected ${wanted.join(", ")}`);
	}
}

function requireRefusal({ refusal }: FaultPoint, events: readonly RoundEvent[]): void {
	if (refusal === undefined) return;
	const codes = events.flatMap((event) =>
		event.kind === "update.rejected" || event.kind === "site.failed" ? [event.code] : [],
	);
	if (!codes.some((code) => code === refusal))
		throw new RangeError(`the log names [${codes.join(", ")}], not ${refusal}`);
}

/** Text of a file of a stage. */
export async function textOf(path: string): Promise<string> {
	return await readFile(path, "utf8");
}
