// Decoder processes and the frames they work on. A process that crashes or stalls is replaced; the frame it was
// at is tried again alone, and given up after `maxRetries` more crashes, so that one damaged frame cannot take
// its neighbours along.
import { DatasetError } from "../errors.ts";
import type { RgbImage } from "../image.ts";
import type { DecodeFailure } from "./decode-protocol.ts";
import { type DecoderProcess, startDecoder } from "./decoder-process.ts";
import { cutRuns, type PendingFrame, type Run, takeRun } from "./frame-queue.ts";
import { NUM_HALVES } from "./frame-slots.ts";

/** Limits of a pool; see FrameReaderOptions. */
export interface DecoderPoolOptions {
	readonly processes: number;
	readonly maxRetries: number;
	readonly stallTimeoutMs: number;
	/** Largest accepted distance between a frame's time and its timestamp in the file, seconds. */
	readonly toleranceS: number;
}

interface RunUnderWay {
	readonly frames: Run;
	/** Half of the process's slot file. */
	readonly half: number;
	numAnswered: number;
}

interface Worker {
	readonly decoder: DecoderProcess;
	/** By run id, oldest first. */
	readonly runs: Map<number, RunUnderWay>;
	lastPath: string | null;
}

/** Decodes frames in child processes, which start when there is work. */
export class DecoderPool implements AsyncDisposable {
	readonly #options: DecoderPoolOptions;
	readonly #workers = new Set<Worker>();
	readonly #queue: Run[] = [];
	#nextRunId = 1;
	/** Processes in a row that ended before they were ready. */
	#failedStarts = 0;
	#disposed = false;

	constructor(options: DecoderPoolOptions) {
		this.#options = options;
	}

	/** Ids of the running processes. */
	get processIds(): readonly number[] {
		return [...this.#workers].flatMap(({ decoder }) => decoder.pid ?? []);
	}

	/** Queues frames; each one's `settle` is called exactly once, unless `forget` takes it back. */
	decode(frames: readonly PendingFrame[]): void {
		this.#queue.push(...cutRuns(frames));
		this.#dispatch();
	}

	/** Takes queued frames back; those already with a process are still settled. */
	forget(frames: ReadonlySet<PendingFrame>): void {
		const kept = this.#queue.splice(0).map((run) => run.filter((frame) => !frames.has(frame)));
		this.#queue.push(...kept.filter((run) => run.length > 0));
	}

	/** Ends the processes; frames still waiting are settled with an error. */
	async [Symbol.asyncDispose](): Promise<void> {
		this.#disposed = true;
		const workers = [...this.#workers];
		this.#workers.clear();
		const waiting = [...workers.flatMap(unanswered), ...this.#queue.splice(0).flat()];
		const error = new DatasetError(
			"decoder-crashed",
			"the frame reader was disposed while frames were being read",
		);
		for (const frame of waiting) frame.settle(error);
		await Promise.all(workers.map(({ decoder }) => decoder.close()));
	}

	#dispatch(): void {
		while (this.#queue.length > 0 && !this.#disposed) {
			// Two runs per process: the next one is there when it ends one.
			const free = [...this.#workers].filter(({ runs }) => runs.size < NUM_HALVES);
			const idle = free.find(({ runs }) => runs.size === 0);
			const worker = idle ?? (this.#workers.size < this.#options.processes ? this.#start() : free[0]);
			if (worker === undefined) return;
			const frames = takeRun(this.#queue, worker.lastPath);
			const [first] = frames ?? [];
			if (frames === undefined || first === undefined) return;
			const { path, column } = first;
			const id = this.#nextRunId++;
			const taken = [...worker.runs.values()].map(({ half }) => half);
			const half = taken.includes(0) ? 1 : 0;
			worker.runs.set(id, { frames, half, numAnswered: 0 });
			worker.lastPath = path;
			const places = frames.map(({ place }) => place);
			worker.decoder.send({ id, path, column, places, half, toleranceS: this.#options.toleranceS });
		}
	}

	#start(): Worker {
		const worker: Worker = {
			decoder: startDecoder(
				{
					onFrame: (runId, position, result) => this.#onFrame(worker, runId, position, result),
					onEnd: (how, ready) => this.#onEnd(worker, how, ready),
				},
				this.#options.stallTimeoutMs,
			),
			runs: new Map(),
			lastPath: null,
		};
		this.#workers.add(worker);
		return worker;
	}

	#onFrame(worker: Worker, runId: number, position: number, result: RgbImage | DecodeFailure): void {
		const run = worker.runs.get(runId);
		const frame = run?.frames[position];
		if (run === undefined || frame === undefined) return;
		this.#failedStarts = 0;
		run.numAnswered = position + 1;
		if (run.numAnswered === run.frames.length) worker.runs.delete(runId);
		frame.settle("rgb" in result ? result : frameError(frame, result.code, result.message));
		this.#dispatch();
	}

	#onEnd(worker: Worker, how: string, ready: boolean): void {
		if (!this.#workers.delete(worker)) return;
		const [suspect, ...others] = unanswered(worker);
		if (!ready && suspect !== undefined) {
			// It had not begun, so no frame is to blame; when that repeats, the program cannot run its decoder at all.
			this.#failedStarts++;
			if (this.#failedStarts <= this.#options.maxRetries) {
				this.#queue.unshift(...cutRuns([suspect, ...others]));
				this.#dispatch();
				return;
			}
			this.#failedStarts = 0;
			const message = `the decoder process could not start (${how}); reinstall the dependencies or build the project`;
			for (const frame of [suspect, ...others, ...this.#queue.splice(0).flat()]) {
				frame.settle(frameError(frame, "decoder-crashed", message));
			}
			return;
		}
		this.#queue.unshift(...cutRuns(others));
		if (suspect !== undefined) {
			suspect.crashes++;
			if (suspect.crashes <= this.#options.maxRetries) this.#queue.unshift([suspect]);
			else {
				const message = `decoding it ended the decoder process ${suspect.crashes} times (${how}); record the episode again or leave it out`;
				suspect.settle(frameError(suspect, "frame-quarantined", message));
			}
		}
		this.#dispatch();
	}
}

/** Frames that a worker was given and has not answered, the one it is at first. */
function unanswered({ runs }: Worker): PendingFrame[] {
	return [...runs.values()].flatMap(({ frames, numAnswered }) => frames.slice(numAnswered));
}

function frameError(
	{ path, camera, episodeIndex, frameIndex }: PendingFrame,
	code: "bad-video" | "bad-image" | "frame-timestamp" | "frame-quarantined" | "decoder-crashed",
	problem: string,
): DatasetError {
	const cure =
		code === "bad-video" || code === "bad-image" ? "; download the file again or leave the episode out" : "";
	return new DatasetError(
		code,
		`${path}: episode ${episodeIndex} frame ${frameIndex} of ${camera}: ${problem}${cure}`,
		{ file: path, camera, episodeIndex, frameIndex },
	);
}
