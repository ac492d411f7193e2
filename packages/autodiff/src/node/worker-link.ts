// The main thread's end of the worker: sends one request at a time, so that an aborted or late request is dropped
// before it costs anything, and rejects everything when the worker ends. An idle worker does not keep the process alive.
import { Worker } from "node:worker_threads";
import { AutodiffError } from "../errors.ts";
import { type CallName, type Calls, decodeError, type WireRequest, type WireResponse } from "./protocol.ts";

/** Per-call options. */
export interface CallOptions {
	readonly signal?: AbortSignal | undefined;
	/** Whether an abort rejects a call that already runs (its result is dropped); otherwise only one that waits. */
	readonly abandon?: boolean;
	readonly transfer?: readonly ArrayBuffer[];
}

interface PendingCall {
	readonly message: WireRequest;
	readonly transfer: readonly ArrayBuffer[];
	readonly abandon: boolean;
	readonly settle: (outcome: WireResponse | Error) => void;
}

/** A worker thread behind calls. */
export class WorkerLink {
	readonly #worker: Worker;
	readonly #exited: Promise<void>;
	#waiting: PendingCall[] = [];
	#running: PendingCall | null = null;
	#failure: AutodiffError | null = null;
	#nextId = 0;
	#closing: Promise<void> | null = null;

	/** Starts the thread with the built entry. */
	constructor(entry: URL, workerData: unknown) {
		this.#worker = new Worker(entry, { workerData, execArgv: [] });
		this.#worker.unref();
		this.#worker.on("message", (response: WireResponse) => this.#finish(response));
		this.#worker.on("error", (cause) => this.#die(cause));
		this.#worker.on("messageerror", (cause) => this.#die(cause));
		this.#exited = new Promise((resolve) => {
			this.#worker.on("exit", (exitCode) => {
				this.#die(new AutodiffError("worker-died", `worker thread ended with exit code ${exitCode}`));
				resolve();
			});
		});
	}

	/** Asks the worker. @throws AutodiffError "disposed", "worker-died", or what the worker threw. */
	call<K extends CallName>(
		kind: K,
		request: Calls[K]["request"],
		options: CallOptions = {},
	): Promise<Calls[K]["response"]> {
		if (this.#closing !== null) {
			return Promise.reject(
				new AutodiffError("disposed", `${kind}: the runtime was disposed; create another one`),
			);
		}
		return this.#enqueue(kind, request, options);
	}

	/** Frees a handle; one whose worker has ended or is ending is freed with it. */
	async release(handle: number): Promise<void> {
		try {
			await this.call("release", { handle });
		} catch (error) {
			const isGone =
				error instanceof AutodiffError && (error.code === "worker-died" || error.code === "disposed");
			if (!isGone) throw error;
		}
	}

	/** Ends the worker after the running call; calls that wait are rejected. Idempotent. */
	close(): Promise<void> {
		this.#closing ??= this.#shutDown();
		return this.#closing;
	}

	async #shutDown(): Promise<void> {
		const abandoned = this.#waiting;
		this.#waiting = [];
		for (const call of abandoned) {
			call.settle(
				new AutodiffError("disposed", `${call.message.kind}: the runtime was disposed before the call ran`),
			);
		}
		this.#worker.ref();
		if (this.#failure === null) {
			try {
				await this.#enqueue("close", null, {});
			} catch (error) {
				if (!(error instanceof AutodiffError && error.code === "worker-died")) throw error;
			}
		}
		this.#worker.ref();
		await this.#exited;
	}

	#enqueue<K extends CallName>(
		kind: K,
		request: Calls[K]["request"],
		options: CallOptions,
	): Promise<Calls[K]["response"]> {
		const { signal, abandon = false, transfer = [] } = options;
		return new Promise((resolve, reject) => {
			if (this.#failure !== null) return reject(this.#failure);
			if (signal?.aborted === true) return reject(toError(signal.reason));
			const onAbort = (): void => {
				if (this.#running === call && !call.abandon) return;
				this.#waiting = this.#waiting.filter((other) => other !== call);
				call.settle(toError(signal?.reason));
			};
			const call: PendingCall = {
				message: { id: this.#nextId++, kind, request },
				transfer,
				abandon,
				settle: (outcome) => {
					signal?.removeEventListener("abort", onAbort);
					if (outcome instanceof Error) reject(outcome);
					else if (!outcome.ok) reject(decodeError(outcome.error));
					else resolve(outcome.value);
				},
			};
			signal?.addEventListener("abort", onAbort, { once: true });
			this.#waiting.push(call);
			this.#sendNext();
		});
	}

	#sendNext(): void {
		if (this.#running !== null) return;
		const call = this.#waiting.shift();
		if (call === undefined) {
			this.#worker.unref();
			return;
		}
		this.#running = call;
		this.#worker.ref();
		this.#worker.postMessage(call.message, call.transfer);
	}

	#finish(response: WireResponse): void {
		const call = this.#running;
		if (call === null || call.message.id !== response.id) return;
		this.#running = null;
		call.settle(response);
		this.#sendNext();
	}

	#die(cause: unknown): void {
		if (this.#failure !== null) return;
		const { message } = toError(cause);
		this.#failure = new AutodiffError(
			"worker-died",
			`the runtime's worker thread ended: ${message}; create another runtime`,
			{
				cause,
			},
		);
		const pending = this.#running === null ? this.#waiting : [this.#running, ...this.#waiting];
		this.#running = null;
		this.#waiting = [];
		for (const call of pending) call.settle(this.#failure);
	}
}

function toError(reason: unknown): Error {
	return reason instanceof Error ? reason : new AutodiffError("runtime-failed", String(reason));
}
