// The round loop: evaluate the initial weights, then train, aggregate, evaluate. An async generator of typed events; the log is
// the only memory, so `rounds` on a log that is not empty continues that run and ends at the same bytes.
import { type CollectOptions, collect, interpret } from "./collect.ts";
import { FederationError, isCancelled } from "./errors.ts";
import type { RoundEvent } from "./events.ts";
import type { PendingOutcome, SiteTask, Traffic } from "./grid.ts";
import { newestLate } from "./late-updates.ts";
import { nextOutcome } from "./next-outcome.ts";
import type { TaskPhase } from "./protocol.ts";
import { aggregateRound } from "./round-aggregation.ts";
import { type ResolvedRounds, type RoundsOptions, resolveRounds } from "./rounds-options.ts";
import { RunRecorder } from "./run-recorder.ts";
import { keepWholeObjects, openRun } from "./run-start.ts";
import type { OpenRound, RunState } from "./run-state.ts";
import { takesPhase } from "./site-limits.ts";
import type { TensorSpecs } from "./update-check.ts";
import { roundWeights } from "./update-dtype.ts";

/**
 * Runs or resumes a federation. Ends after run.completed, run.failed (typed reason in the event; may be resumed) or, when
 * `signal` aborts, run.stopped. The caller consumes the events; nothing advances while it does not.
 * @throws FederationError disk-full | storage | log-mismatch | corrupt-object | bad-weights: free space or give the
 * right options and resume.
 */
export function rounds(options: RoundsOptions): AsyncGenerator<RoundEvent, void> {
	return new Run(resolveRounds(options)).events();
}

/** Clients try again every 2 s at the latest, and need a moment to join. */
const RESUME_GRACE_MS = 10_000;

class Run {
	readonly #options: ResolvedRounds;
	readonly #recorder: RunRecorder;
	readonly #phase: CollectOptions;
	#specs: TensorSpecs = new Map();
	/** The rounded copy of the global weights `of`. */
	#rounded: { readonly of: string; readonly sha256: string } | null = null;
	#traffic: Traffic = { bytesUp: 0, bytesDown: 0 };

	constructor(options: ResolvedRounds) {
		this.#options = options;
		const { log, clock, grid, offlineSites, signal } = options;
		this.#recorder = new RunRecorder(log, clock);
		this.#phase = { recorder: this.#recorder, grid, clock, offlineSites, rules: options, signal };
	}

	async *events(): AsyncGenerator<RoundEvent, void> {
		try {
			if (this.#state.isCompleted) return;
			yield* this.#begin();
			yield* newestLate(this.#rounds(), () => this.#state, this.#options.store);
		} catch (error) {
			if (isCancelled(error) && this.#options.signal?.aborted === true) {
				yield* this.#recorder.record([{ kind: "run.stopped", round: this.#currentRound() }]);
			} else if (error instanceof FederationError && isRunFailure(error)) {
				yield* this.#recorder.record([{ kind: "run.failed", code: error.code, message: error.message }]);
			} else throw error;
		}
	}

	async *#rounds(): AsyncGenerator<RoundEvent, void> {
		const { numRounds, minSitesToStart, quorum, store } = this.#options;
		const hasBegun = this.#state.round > 0 || this.#state.isEvaluated;
		yield* this.#waitForSites(minSitesToStart, hasBegun ? quorum : null);
		if (!this.#state.isEvaluated) yield* this.#evaluate();
		while (this.#state.round < numRounds) {
			yield* this.#train();
			yield* this.#evaluate();
		}
		const { sha256: weightsSha256 } = store.get(this.#state.weightsSha256 ?? "");
		yield* this.#recorder.record([{ kind: "run.completed", numRounds, weightsSha256 }]);
	}

	/** Records the run's start, or checks that the log belongs to it and keeps what is whole. */
	async *#begin(): AsyncGenerator<RoundEvent, void> {
		const { plan, specs } = await openRun(this.#options, this.#state.started);
		this.#specs = specs;
		if (this.#state.started === null) {
			yield* this.#recorder.record([{ kind: "run.started", ...plan }]);
			return;
		}
		const kept = await keepWholeObjects(this.#state, this.#options.store);
		yield* this.#recorder.record([{ kind: "run.resumed", round: this.#currentRound(), ...kept }]);
		await this.#reopenReleased();
	}

	/** Results that nobody waits for are kept and named across a restart, too. */
	async #reopenReleased(): Promise<void> {
		const { grid, store, updateDtype } = this.#options;
		const { released, weightsHistory } = this.#state;
		const copies = new Set<string>();
		const tasks: SiteTask[] = [];
		for (const [site, about] of released) {
			const sent = store.find(weightsHistory[about.round - 1] ?? "");
			if (sent === undefined) continue;
			const weights = updateDtype === "float32" ? sent.sha256 : await this.#roundedCopy(sent.path);
			if (weights !== sent.sha256) copies.add(weights);
			tasks.push(this.#task(site, "train", weights, about));
		}
		await grid.reopen(tasks);
		// A task's message holds what follows from its weights; nobody pulls these any more.
		for (const sha256 of copies) await store.delete(sha256);
	}

	/** Attempts until enough updates are there, then aggregates them. */
	async *#train(): AsyncGenerator<RoundEvent, void> {
		const { maxAttempts } = this.#options;
		const needed = this.#numNeeded;
		const round = this.#state.round + 1;
		for (let numTries = 0; ; numTries++) {
			const earlier = this.#state.open;
			if (earlier === null || earlier.isGivenUp) {
				if (numTries >= maxAttempts) {
					const message = `round ${round}: fewer than ${needed} updates after ${numTries} attempts; see the log for the sites' failures`;
					throw new FederationError("too-few-updates", message, { ids: { round } });
				}
				yield* this.#waitForSites(needed);
				yield* this.#startAttempt(round, (earlier?.attempt ?? 0) + 1);
			}
			const open = this.#requireOpen();
			if (open.accepted === null && !open.isClosed) yield* collect(this.#phase, await this.#trainTasks(open));
			const numReceived = this.#requireOpen().updates.size;
			if (numReceived >= needed) break;
			const { attempt } = open;
			yield* this.#recorder.record([
				{ kind: "round.failed", round, attempt, numReceived, numNeeded: needed },
			]);
		}
		yield* aggregateRound(this.#options, this.#recorder, this.#requireOpen());
	}

	async *#startAttempt(round: number, attempt: number): AsyncGenerator<RoundEvent, void> {
		const { strategy, seed } = this.#options;
		const online = this.#readySites(this.#sitesFor("train"));
		const state = this.#strategyState();
		const { sites: sampled, proximalMu } = strategy.configure(state, { round, attempt, seed, sites: online });
		const received = this.#state.open?.round === round ? this.#state.open.updates : new Map();
		const missing = sampled.filter((site) => !received.has(site));
		// Everybody sampled has delivered, and it was not enough: ask the others.
		const sites = missing.length > 0 ? missing : online.filter((site) => !received.has(site));
		yield* this.#recorder.record([{ kind: "round.started", round, attempt, sites, proximalMu }]);
	}

	/** Updates that a round needs, and sites before it starts. */
	get #numNeeded(): number {
		return this.#options.quorum ?? this.#options.minSites;
	}

	/** Sites that are there and take such tasks, sorted. */
	#sitesFor(phase: TaskPhase): string[] {
		const sites = this.#options.grid.sites().filter(({ info }) => takesPhase(info, phase));
		return sites.map(({ site }) => site);
	}

	/** Without the sites that hang on a task of an earlier round, unless there are no others. */
	#readySites(online: readonly string[]): readonly string[] {
		const { grid, clock, stallAfterMs } = this.#options;
		const ready = online.filter((site) => {
			const task = this.#state.released.get(site);
			const activeAtMs = task === undefined ? null : grid.activeAtMs(this.#taskId(site, "train", task));
			return stallAfterMs === null || activeAtMs === null || clock.now() - activeAtMs < stallAfterMs;
		});
		return ready.length > 0 ? ready : online;
	}

	/** Asks every site that is online, not at work for this round still, and has not answered yet; writes the mean. */
	async *#evaluate(): AsyncGenerator<RoundEvent, void> {
		const { round, evaluations, evaluationFailures, stragglers } = this.#state;
		const sites = this.#sitesFor("evaluate");
		const asked = sites.filter(
			(site) => !evaluations.has(site) && !evaluationFailures.has(site) && !stragglers.has(site),
		);
		const at = this.#state.weightsAt ?? "";
		const weights = await this.#sentWeights();
		const about = { round, at, attempt: 1, proximalMu: 0 };
		const tasks = asked.map((site) => this.#task(site, "evaluate", weights, about));
		yield* collect(this.#phase, tasks);
		const perSite: Record<string, number | null> = {};
		// In the order of names: a sum depends on the order of its terms.
		const results = [...this.#state.evaluations.values()].sort((a, b) => (a.site < b.site ? -1 : 1));
		const names = [...results.map(({ site }) => site), ...this.#state.evaluationFailures].sort();
		for (const site of names) perSite[site] = this.#state.evaluations.get(site)?.loss ?? null;
		const loss = weightedMean(results);
		yield* this.#recorder.record([
			{ kind: "round.evaluated", round, loss, perSite, ...this.#trafficDelta() },
		]);
	}

	/**
	 * Waits until `needed` sites are online, or until the time is up and the minimum is. With a quorum, after a restart, for no
	 * longer than sites need to come back: one that is away must not hold the run up.
	 */
	async *#waitForSites(needed: number, quorum: number | null = null): AsyncGenerator<RoundEvent, void> {
		const { grid, clock, joinTimeoutMs, minSites, signal } = this.#options;
		const fewest = Math.min(needed, minSites);
		const untilMs = joinTimeoutMs === null ? null : clock.now() + joinTimeoutMs;
		const graceEndsMs = quorum === null ? Number.POSITIVE_INFINITY : clock.now() + RESUME_GRACE_MS;
		let numShown = -1;
		for (;;) {
			for (let early = grid.poll(); early !== null; early = grid.poll()) yield* this.#recordStray(early);
			const numOnline = this.#sitesFor("train").length;
			const isGraceOver = clock.now() >= graceEndsMs;
			if (numOnline >= needed || (isGraceOver && numOnline >= (quorum ?? needed))) return;
			if (numOnline !== numShown) {
				yield* this.#recorder.record([{ kind: "run.waiting", numOnline, numNeeded: needed }]);
			}
			numShown = numOnline;
			const lookAgainMs = Math.min(
				untilMs ?? Number.POSITIVE_INFINITY,
				isGraceOver ? Number.POSITIVE_INFINITY : graceEndsMs,
			);
			const lookMs = Number.isFinite(lookAgainMs) ? lookAgainMs : null;
			const next = await nextOutcome(grid, { clock, untilMs: lookMs, signal });
			if (next !== null) yield* this.#recordStray(next);
			else if (untilMs !== null && clock.now() >= untilMs) {
				if (numOnline >= fewest) return;
				const message = `${numOnline} of ${fewest} sites joined within ${joinTimeoutMs} ms; start more clients and resume`;
				throw new FederationError("too-few-sites", message);
			}
		}
	}

	/** Records an outcome that arrives while no task is open. */
	#recordStray(next: PendingOutcome): AsyncGenerator<RoundEvent, void> {
		return this.#recorder.record(interpret(next.outcome, new Map(), "fail").events, () => next.settle());
	}

	get #state(): RunState {
		return this.#recorder.state;
	}

	#requireOpen(): OpenRound {
		const { open } = this.#state;
		if (open === null) throw new TypeError("rounds: no round is open");
		return open;
	}

	#currentRound(): number {
		return this.#state.open?.round ?? this.#state.round;
	}

	#strategyState(): ReturnType<ResolvedRounds["strategy"]["init"]> {
		return this.#state.strategyState === undefined
			? this.#options.strategy.init()
			: this.#state.strategyState;
	}

	async #trainTasks(open: OpenRound): Promise<SiteTask[]> {
		const { sites, updates, failed } = open;
		const asked = sites.filter((site) => !updates.has(site) && !failed.has(site));
		const weights = await this.#sentWeights();
		return asked.map((site) => this.#task(site, "train", weights, open));
	}

	/** The object that sites get for the global weights: these, or a rounded copy that is made once per round. */
	async #sentWeights(): Promise<string> {
		const { store, updateDtype } = this.#options;
		const { path, sha256 } = store.get(this.#state.weightsSha256 ?? "");
		if (updateDtype === "float32") return sha256;
		if (this.#rounded?.of === sha256) return this.#rounded.sha256;
		const copy = await this.#roundedCopy(path);
		// Weights that have hardly changed may round to the same copy.
		const older = this.#rounded?.sha256 ?? copy;
		if (older !== copy) await store.delete(older);
		this.#rounded = { of: sha256, sha256: copy };
		return copy;
	}

	/** Rounds a weights file into an object of its own. */
	async #roundedCopy(path: string): Promise<string> {
		const { store } = this.#options;
		const scratch = store.scratchPath();
		await roundWeights(path, scratch);
		return (await store.adopt(scratch)).sha256;
	}

	#task(
		site: string,
		phase: TaskPhase,
		weights: string,
		{ round, at, attempt, proximalMu }: Pick<OpenRound, "round" | "at" | "attempt" | "proximalMu">,
	): SiteTask {
		const { runId, seed, numLocalSteps, numRounds, learning, clipNorm, traceparentOf } = this.#options;
		const globalStep = Math.max(0, phase === "train" ? round - 1 : round) * numLocalSteps;
		const message = {
			taskId: this.#taskId(site, phase, { round, attempt }),
			phase,
			runId,
			round,
			seed,
			numLocalSteps,
			globalStep,
			totalSteps: numRounds * numLocalSteps,
			proximalMu,
			clipNorm: phase === "train" ? clipNorm : null,
			learning,
			weights,
			createdAtMs: Date.parse(at),
			...(traceparentOf === null
				? {}
				: { traceparent: traceparentOf({ runId, round, phase, site, attempt }) }),
		};
		return { site, message, expects: phase === "train" ? this.#specs : null };
	}

	#taskId(site: string, phase: TaskPhase, { round, attempt }: Pick<OpenRound, "round" | "attempt">): string {
		return [this.#options.runId, round, phase, site, attempt].join("/");
	}

	/** Bytes since the last call. */
	#trafficDelta(): { bytesUp: number | null; bytesDown: number | null } {
		const now = this.#options.grid.traffic();
		if (now === null) return { bytesUp: null, bytesDown: null };
		const before = this.#traffic;
		this.#traffic = now;
		return { bytesUp: now.bytesUp - before.bytesUp, bytesDown: now.bytesDown - before.bytesDown };
	}
}

/** Failures that are the run's outcome and not the caller's trouble. */
function isRunFailure({ code }: FederationError): boolean {
	return code === "too-few-sites" || code === "too-few-updates";
}

function weightedMean(
	results: readonly { readonly loss: number | null; readonly numSamples: number }[],
): number | null {
	let total = 0;
	let numSamples = 0;
	for (const { loss, numSamples: count } of results) {
		if (loss === null) continue;
		total += loss * count;
		numSamples += count;
	}
	return numSamples === 0 ? null : total / numSamples;
}
