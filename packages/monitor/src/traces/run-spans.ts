// Spans of a run, folded from its events: the run, its rounds, each site's tasks, the aggregations. Nothing is measured here.
import type { RoundEvent } from "@zk0/federation";
import { aggregationSpanId, roundTrace, runTrace, type Span, type SpanSink, taskSpanId } from "./span.ts";

/** Follows one run. */
export interface RunTracer {
	/**
	 * Takes what happened before this process: open spans go on. Those of the last two rounds are told again, with
	 * the same ids, because a process that was killed may have had them in hand.
	 */
	replay(events: readonly RoundEvent[]): void;
	/** Takes an event that happens now. */
	record(event: RoundEvent): void;
}

interface OpenTask {
	readonly site: string;
	readonly phase: "train" | "evaluate";
	readonly startMs: number;
	readonly attempt: number;
}

interface OpenRound {
	readonly round: number;
	readonly startMs: number;
	readonly tasks: Map<string, OpenTask>;
	attempt: number;
	aggregationMs: number | null;
}

type Attributes = Span["attributes"];

/** A tracer of `runId` whose finished spans go to `sink`. */
export function traceRun(runId: string, sink: SpanSink): RunTracer {
	let past: Span[] | null = null;
	const spans = new RunSpans(runId, (span) => {
		if (past === null) sink(span);
		else past.push(span);
	});
	return {
		replay(events) {
			const told: Span[] = [];
			past = told;
			for (const event of events) spans.take(event);
			past = null;
			const last = events.findLast((event) => event.kind === "task.sent")?.round ?? 0;
			for (const span of told) if (Number(span.attributes["zk0.round"] ?? -1) >= last - 1) sink(span);
		},
		record: (event) => spans.take(event),
	};
}

class RunSpans {
	readonly #runId: string;
	readonly #sink: SpanSink;
	#startMs: number | null = null;
	#about: Attributes = {};
	#round: OpenRound | null = null;

	constructor(runId: string, sink: SpanSink) {
		this.#runId = runId;
		this.#sink = sink;
	}

	take(event: RoundEvent): void {
		const atMs = Date.parse(event.at);
		switch (event.kind) {
			case "run.started":
				this.#startMs = atMs;
				this.#about = { "zk0.strategy": event.strategy.name, "zk0.rounds": event.numRounds };
				break;
			case "round.started":
				this.#enter(event.round, atMs).attempt = event.attempt;
				break;
			case "task.sent": {
				const { site, phase } = event;
				const { tasks, attempt } = this.#enter(event.round, atMs);
				const key = `${phase} ${site}`;
				const task = { site, phase, startMs: atMs, attempt: phase === "train" ? attempt : 1 };
				// After a restart the same task is sent again: it goes on.
				if (!tasks.has(key)) tasks.set(key, task);
				break;
			}
			case "update.received":
				this.#endTask(event, "train", atMs, null, {
					"zk0.samples": event.numSamples,
					"zk0.bytes": event.sizeBytes,
				});
				break;
			case "update.late":
				this.#endTask(event, "train", atMs, "late");
				break;
			case "update.rejected":
				if (event.endsTask) this.#endTask(event, "train", atMs, event.code);
				break;
			case "site.failed":
				this.#endTask(event, event.phase, atMs, event.code);
				break;
			case "site.evaluated":
				this.#endTask(event, "evaluate", atMs, null, event.loss === null ? {} : { "zk0.loss": event.loss });
				break;
			case "round.closed":
				for (const site of event.without)
					this.#endTask({ round: event.round, site }, event.phase, atMs, `not waited for: ${event.reason}`);
				break;
			case "round.accepted":
				this.#enter(event.round, atMs).aggregationMs = atMs;
				break;
			case "round.aggregated":
				this.#endAggregation(event.numUpdates, atMs);
				break;
			case "round.failed":
				this.#endTasks("too few updates", atMs);
				break;
			case "round.evaluated":
				this.#endRound(null, atMs, event.loss === null ? {} : { "zk0.loss": event.loss });
				break;
			case "run.completed":
				this.#endRun(null, atMs);
				break;
			case "run.failed":
				this.#endRound(event.code, atMs);
				this.#endRun(event.code, atMs);
				break;
			// A stopped run goes on later, and so do its spans.
			case "run.stopped":
			case "run.resumed":
			case "run.waiting":
			case "site.joined":
			case "site.left":
			case "site.stalled":
			case "task.progress":
			case "update.clipped":
			case "updates.compared":
				break;
		}
	}

	#enter(round: number, atMs: number): OpenRound {
		if (this.#round?.round === round) return this.#round;
		this.#round = { round, startMs: atMs, tasks: new Map(), attempt: 1, aggregationMs: null };
		return this.#round;
	}

	#endTask(
		{ round, site }: { readonly round: number; readonly site: string },
		phase: OpenTask["phase"],
		endMs: number,
		error: string | null,
		more: Attributes = {},
	): void {
		const task = this.#round?.round === round ? this.#round.tasks.get(`${phase} ${site}`) : undefined;
		if (task === undefined || this.#round === null) return;
		this.#round.tasks.delete(`${phase} ${site}`);
		const { startMs, attempt } = task;
		const spanId = taskSpanId({ runId: this.#runId, round, phase, site, attempt });
		const attributes = { "zk0.site": site, "zk0.phase": phase, "zk0.attempt": attempt, ...more };
		this.#tell({ name: `task ${phase}`, round, spanId, startMs, endMs, error, attributes });
	}

	#endTasks(error: string, atMs: number): void {
		const round = this.#round;
		if (round === null) return;
		for (const { site, phase } of round.tasks.values())
			this.#endTask({ round: round.round, site }, phase, atMs, error);
	}

	#endAggregation(numUpdates: number, endMs: number): void {
		const round = this.#round;
		if (round === null || round.aggregationMs === null) return;
		const startMs = round.aggregationMs;
		round.aggregationMs = null;
		const attributes = { "zk0.updates": numUpdates };
		this.#tell({
			name: "aggregate",
			round: round.round,
			spanId: aggregationSpanId(this.#runId, round.round),
			startMs,
			endMs,
			error: null,
			attributes,
		});
	}

	#endRound(error: string | null, endMs: number, attributes: Attributes = {}): void {
		this.#endTasks(error ?? "not waited for", endMs);
		const open = this.#round;
		if (open === null) return;
		this.#round = null;
		const { round, startMs } = open;
		const { traceId, spanId } = roundTrace(this.#runId, round);
		const link = runTrace(this.#runId);
		const about = { "zk0.run": this.#runId, "zk0.round": round, ...attributes };
		const root = { traceId, spanId, parentId: null, isRemote: false, link };
		this.#sink({ name: "round", ...root, startMs, endMs, error, attributes: about });
	}

	#endRun(error: string | null, endMs: number): void {
		if (this.#startMs === null) return;
		const attributes = { "zk0.run": this.#runId, ...this.#about };
		const root = { ...runTrace(this.#runId), parentId: null, isRemote: false, link: null };
		this.#sink({ name: "run", ...root, startMs: this.#startMs, endMs, error, attributes });
	}

	/** A part of a round. */
	#tell({
		round,
		attributes,
		...span
	}: Pick<Span, "name" | "spanId" | "startMs" | "endMs" | "error" | "attributes"> & {
		readonly round: number;
	}): void {
		const { traceId, spanId: parentId } = roundTrace(this.#runId, round);
		const about = { "zk0.run": this.#runId, "zk0.round": round, ...attributes };
		this.#sink({ ...span, traceId, parentId, isRemote: false, link: null, attributes: about });
	}
}
