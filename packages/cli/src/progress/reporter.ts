// Shows a run while it goes: live lines on a terminal, one plain line per round elsewhere, nothing when quiet.
import type { RoundEvent } from "@zk0/federation";
import { incidentText } from "@zk0/records";
import { formatBytes, formatChange, formatDuration, formatLoss, formatRate } from "@zk0/records/format";
import type { Host, TextStream } from "../host.ts";
import { applyEvent } from "./apply-event.ts";
import { createLiveRegion, type LiveRegion, renderLive } from "./live.ts";
import { createPaint, type Paint, wantsColour } from "./paint.ts";
import { type RunProgress, startProgress, updateSite } from "./run-progress.ts";

const REDRAW_MS = 200;

/** Whoever watches a run. */
export interface RunReporter extends Disposable {
	/** A site records its demonstrations. */
	recording(site: string, done: number, total: number): void;
	event(event: RoundEvent): void;
	/** A site takes a step without a federation. */
	training(site: string, progress: TrainingStep): void;
	/** A line that stays. */
	note(text: string): void;
}

/** A step that was taken. */
export interface TrainingStep {
	readonly step: number;
	readonly numSteps: number;
	readonly loss: number;
	readonly samplesPerSecond: number;
}

/** What a reporter needs to know. */
export interface ReporterOptions {
	/** Undefined: nothing is shown. */
	readonly stream: TextStream | undefined;
	readonly host: Host;
	readonly sites: readonly string[];
	readonly rounds: number;
}

/** A reporter for the stream at hand. */
export function createReporter(options: ReporterOptions): RunReporter {
	const { stream, host } = options;
	if (stream === undefined) {
		return {
			recording: () => undefined,
			event: () => undefined,
			training: () => undefined,
			note: () => undefined,
			[Symbol.dispose]: () => undefined,
		};
	}
	const isLive = stream.isTTY && host.env["TERM"] !== "dumb";
	const reporter = isLive ? liveReporter(stream, options) : plainReporter(stream, options);
	const stopping = (): void => reporter.note("stopping; press Ctrl-C again to stop at once");
	host.signal.addEventListener("abort", stopping, { once: true });
	return {
		...reporter,
		[Symbol.dispose]() {
			host.signal.removeEventListener("abort", stopping);
			reporter[Symbol.dispose]();
		},
	};
}

function liveReporter(stream: TextStream, { host, sites, rounds }: ReporterOptions): RunReporter {
	const paint = createPaint(wantsColour(stream.isTTY, host.env));
	const region: LiveRegion = createLiveRegion(stream);
	let progress = startProgress(sites, { rounds, nowMs: host.now() });
	const draw = (): void => region.draw(renderLive(progress, { nowMs: host.now(), paint, rows: stream.rows }));
	// Redraws at its own pace, so that a thousand sites cost no more than one.
	const timer = setInterval(draw, REDRAW_MS).unref();
	draw();
	return {
		recording(site, done, total) {
			progress = updateSite(progress, site, {
				phase: done < total ? "recording" : "done",
				done,
				total,
				nowMs: host.now(),
			});
		},
		event(event) {
			progress = applyEvent(progress, event, host.now());
			const incident = incidentText(event);
			if (incident !== null) region.print(`  ${paint.warn(incident)}`);
		},
		training(site, { step, numSteps, loss, samplesPerSecond }) {
			const line = { phase: "training" as const, done: step, total: numSteps, loss, samplesPerSecond };
			progress = updateSite({ ...progress, round: 1 }, site, { ...line, nowMs: host.now() });
		},
		note: (text) => region.print(text),
		[Symbol.dispose]() {
			clearInterval(timer);
			region.clear();
		},
	};
}

function plainReporter(stream: TextStream, { host, sites, rounds }: ReporterOptions): RunReporter {
	const paint: Paint = createPaint(wantsColour(stream.isTTY, host.env));
	let progress: RunProgress = startProgress(sites, { rounds, nowMs: host.now() });
	let roundStartedMs = host.now();
	const print = (text: string): void => stream.write(`${text}\n`);
	return {
		recording(site, done, total) {
			if (done === 0) print(`${site}: recording ${total} episodes`);
			if (done === total) print(`${site}: recorded ${total} episodes`);
		},
		event(event) {
			progress = applyEvent(progress, event, host.now());
			if (event.kind === "round.started" && event.attempt === 1) roundStartedMs = host.now();
			const incident = incidentText(event);
			if (incident !== null) print(paint.warn(incident));
			if (event.kind !== "round.evaluated") return;
			const change = event.round === 0 ? "" : `  ${formatChange(progress.losses[0] ?? null, event.loss)}`;
			const each = Object.entries(event.perSite).map(([site, loss]) => `${site} ${formatLoss(loss)}`);
			const traffic = event.bytesUp === null ? "" : `  ${formatBytes(event.bytesUp)} up`;
			const time = `  ${formatDuration(host.now() - roundStartedMs)}`;
			print(
				`round ${event.round}/${rounds}  loss ${formatLoss(event.loss)}${change}  [${each.join(", ")}]${traffic}${time}`,
			);
		},
		training(site, { step, numSteps, loss, samplesPerSecond }) {
			// A line at every tenth of the way.
			const tenth = (done: number): number => Math.floor((10 * done) / numSteps);
			if (tenth(step) === tenth(step - 1)) return;
			print(
				`${site}: step ${step}/${numSteps}  loss ${formatLoss(loss)}  ${formatRate(samplesPerSecond)} samples/s`,
			);
		},
		note: print,
		[Symbol.dispose]: () => undefined,
	};
}
