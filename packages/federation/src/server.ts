// The federation's server without a network: answers the calls of protocol.ts and is the Grid of the round loop. A result is
// acknowledged only after the round loop has recorded it. Runs behind every transport, in simulations and in production.
import type { Clock } from "./clock.ts";
import { FederationError, isCancelled } from "./errors.ts";
import type { Grid } from "./grid.ts";
import { createNodeRegistry, type NodeRegistry } from "./node-registry.ts";
import type { ObjectStore } from "./object-store.ts";
import { createOutcomeQueue, type OutcomeQueue } from "./outcome-queue.ts";
import {
	MAX_CHUNK_BYTES,
	parseRequest,
	parseStreamRequest,
	type RequestOf,
	type ResponseOf,
	type UnaryMethod,
} from "./protocol.ts";
import { createResultIntake, type ResultIntake } from "./result-intake.ts";
import { createTaskTable, type TaskTable } from "./task-table.ts";
import type { CallOptions, FleetCalls, Traffic } from "./transport.ts";

/** Options of `createServer`. */
export interface ServerOptions {
	/** Holds the weights that tasks name and takes the updates. */
	readonly store: ObjectStore;
	readonly clock: Clock;
	/** A node silent for this long is offline; default 15 000. */
	readonly offlineAfterMs?: number;
	/** Reads the transports' byte counters; default: unknown. */
	readonly traffic?: () => Traffic;
}

/** A running server. Disposing it ends held calls and forgets unfinished uploads. */
export interface FederationServer extends AsyncDisposable {
	/** What transports call. */
	readonly calls: FleetCalls;
	/** What the round loop uses. */
	readonly grid: Grid;
	/** Takes a site offline at once, as when its connection is known to be gone. */
	disconnect(site: string, why: string): void;
}

type Handlers = {
	readonly [M in UnaryMethod]: (request: RequestOf<M>, options: CallOptions) => Promise<ResponseOf<M>>;
};

/** A server with no sites yet. */
export function createServer(options: ServerOptions): FederationServer {
	return new Server(options);
}

class Server implements FederationServer {
	readonly calls: FleetCalls;
	readonly grid: Grid;
	readonly #store: ObjectStore;
	readonly #clock: Clock;
	readonly #offlineAfterMs: number;
	readonly #registry: NodeRegistry = createNodeRegistry();
	readonly #tasks: TaskTable = createTaskTable();
	readonly #outcomes: OutcomeQueue = createOutcomeQueue();
	readonly #intake: ResultIntake;
	/** Ends held calls and the watch over silent nodes. */
	readonly #closing = new AbortController();
	readonly #watch: Promise<void>;
	/** Held pulls, by site. */
	readonly #waiters = new Map<string, Set<() => void>>();

	constructor(options: ServerOptions) {
		this.#store = options.store;
		this.#clock = options.clock;
		this.#offlineAfterMs = options.offlineAfterMs ?? 15_000;
		this.#intake = createResultIntake({ store: options.store, tasks: this.#tasks, outcomes: this.#outcomes });
		const handlers = this.#handlers();
		this.calls = {
			unary: async (method, request, callOptions = {}) => {
				this.#requireOpen();
				const handler: Handlers[typeof method] = handlers[method];
				return await handler(parseRequest(method, request), callOptions);
			},
			stream: (method, request, callOptions = {}) => {
				const { nodeId, sha256, offset } = parseStreamRequest(method, request);
				return this.#readObject(this.#touch(nodeId), sha256, offset, callOptions);
			},
		};
		this.grid = {
			sites: () => this.#registry.sites(),
			send: (tasks) => {
				this.#tasks.open(tasks);
				for (const { site } of tasks) this.#wake(site);
			},
			withdraw: (taskIds) => this.#withdraw(taskIds),
			poll: () => this.#outcomes.poll(),
			next: ({ signal } = {}) => this.#outcomes.next(signal),
			traffic: () => options.traffic?.() ?? null,
		};
		this.#watch = this.#watchNodes();
	}

	disconnect(site: string, why: string): void {
		this.#drop(site, "offline", why);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		if (this.#closing.signal.aborted) return;
		this.#closing.abort();
		this.#outcomes.close();
		for (const site of this.#waiters.keys()) this.#wake(site);
		await this.#watch;
		await this.#tasks.clear();
	}

	#handlers(): Handlers {
		return {
			registerNode: async ({ site, info }) => {
				const nodeId = this.#registry.register(site, info, this.#clock.now());
				this.#wake(site);
				this.#outcomes.offer({ kind: "joined", site, info });
				return { nodeId };
			},
			heartbeat: async ({ nodeId, running, progress }) => {
				const site = this.#touch(nodeId);
				const open = new Set(this.#tasks.ofSite(site).map(({ ref }) => ref.taskId));
				const task = progress === null ? undefined : this.#tasks.find(progress.taskId);
				if (progress !== null && task !== undefined && task.ref.site === site) {
					const { step, numSteps, loss, samplesPerSecond } = progress;
					const values = { step, numSteps, loss, samplesPerSecond };
					this.#outcomes.offer({ kind: "progress", task: task.ref, progress: values });
				}
				return { cancelled: running.filter((taskId) => !open.has(taskId)) };
			},
			pullTask: async ({ nodeId, waitMs }, { signal }) => {
				const site = this.#touch(nodeId);
				if (this.#tasks.nextOf(site) === undefined && waitMs > 0) await this.#hold(site, waitMs, signal);
				this.#requireOpen();
				this.#touch(nodeId);
				return { task: this.#tasks.nextOf(site)?.task.message ?? null };
			},
			pushResult: async ({ nodeId, taskId, round, result }) => ({
				status: await this.#intake.result(this.#touch(nodeId), taskId, round, result),
			}),
			pushObject: async ({ nodeId, taskId, sha256, offset, content }) => ({
				status: await this.#intake.bytes(this.#touch(nodeId), taskId, sha256, offset, content),
			}),
			unregisterNode: async ({ nodeId }) => {
				this.#drop(this.#touch(nodeId), "left", "the site left");
				return null;
			},
		};
	}

	#touch(nodeId: RequestOf<"pullTask">["nodeId"]): string {
		this.#requireOpen();
		return this.#registry.touch(nodeId, this.#clock.now());
	}

	#requireOpen(): void {
		if (this.#closing.signal.aborted) throw new FederationError("unavailable", "the server is shutting down");
	}

	#withdraw(taskIds: readonly string[]): void {
		for (const taskId of taskIds) {
			this.#tasks.close(taskId, "withdrawn").catch((error: unknown) => this.#intake.report(error));
		}
	}

	#drop(site: string, reason: "left" | "offline", message: string): void {
		if (this.#registry.remove(site)) this.#outcomes.offer({ kind: "left", site, reason, message });
		this.#wake(site);
	}

	#wake(site: string): void {
		for (const wake of this.#waiters.get(site) ?? []) wake();
	}

	/** Waits until the site has a task, `waitMs` pass, or the call or the server ends. */
	async #hold(site: string, waitMs: number, signal: AbortSignal | undefined): Promise<void> {
		const done = new AbortController();
		const wake = (): void => done.abort();
		const waiters = this.#waiters.get(site) ?? new Set();
		this.#waiters.set(site, waiters.add(wake));
		signal?.addEventListener("abort", wake, { once: true });
		try {
			await this.#clock.sleep(waitMs, { signal: done.signal });
		} catch (error) {
			if (!isCancelled(error)) throw error;
		} finally {
			signal?.removeEventListener("abort", wake);
			waiters.delete(wake);
		}
	}

	async *#readObject(
		site: string,
		sha256: string,
		offset: number,
		{ signal }: CallOptions,
	): AsyncGenerator<Uint8Array> {
		if (!this.#tasks.ofSite(site).some(({ task }) => task.message.weights === sha256)) {
			throw new FederationError("unknown-object", `no open task of ${site} needs object ${sha256}`);
		}
		for await (const bytes of this.#store.read(sha256, { offset, signal })) {
			this.#requireOpen();
			for (let start = 0; start < bytes.length; start += MAX_CHUNK_BYTES) {
				yield bytes.subarray(start, start + MAX_CHUNK_BYTES);
			}
		}
	}

	async #watchNodes(): Promise<void> {
		const { signal } = this.#closing;
		const intervalMs = this.#offlineAfterMs / 3;
		try {
			for (;;) {
				const startMs = this.#clock.now();
				await this.#clock.sleep(intervalMs, { signal });
				// This process was suspended or busy, so nobody could reach it: nobody is to blame for silence.
				if (this.#clock.now() - startMs > 2 * intervalMs) this.#registry.forgive(this.#clock.now());
				const limitMs = this.#clock.now() - this.#offlineAfterMs;
				const why = `no sign of life for ${this.#offlineAfterMs} ms`;
				for (const site of this.#registry.silentSince(limitMs)) this.#drop(site, "offline", why);
			}
		} catch (error) {
			if (!isCancelled(error)) this.#intake.report(error);
		}
	}
}
