// A client's sign of life: tells the server regularly which task runs and how far it is, and learns which tasks it no longer
// wants. A beat that fails is made up for by the next one; the client's other calls decide when the server is gone.
import { Fleet, FlowerError } from "@zk0/flower";
import type { TaskProgress } from "./client-app.ts";
import type { Clock } from "./clock.ts";
import { isCancelled } from "./errors.ts";
import type { NodeSession } from "./node-session.ts";

/** The shortest promise that Flower's protocol has room for; zk0 servers go by the signs of life themselves. */
const MIN_INTERVAL_SECONDS = 10;

/** A task under watch. */
export interface WatchedTask extends Disposable {
	/** Aborted when the server withdraws the task or the client stops. */
	readonly signal: AbortSignal;
	readonly onProgress: (progress: TaskProgress) => void;
}

/** The authorities that a node trusts, where the server that it trusts can name others. */
export interface TrustStore {
	/** Names what is trusted now: `trustName` of @zk0/flower/node. */
	name(): string;
	/** Trusts these authorities (PEM) from now on. Does not reject: what is not taken over is named again. */
	replace(authorities: readonly string[]): Promise<void>;
}

/** Options of `startHeartbeat`. */
export interface HeartbeatOptions {
	readonly session: NodeSession;
	readonly clock: Clock;
	readonly heartbeatMs: number;
	/** Shortest time between two progress reports. */
	readonly progressMs: number;
	readonly trust?: TrustStore | undefined;
}

/** A running heartbeat; disposing it stops it. */
export interface Heartbeat extends AsyncDisposable {
	/** Watches a task until the returned value is disposed; one at a time. */
	watch(messageId: string, clientSignal: AbortSignal): WatchedTask;
}

/** Starts beating. */
export function startHeartbeat(options: HeartbeatOptions): Heartbeat {
	return new BeatingHeart(options);
}

class BeatingHeart implements Heartbeat {
	readonly #options: HeartbeatOptions;
	readonly #stopping = new AbortController();
	readonly #running: Promise<void>;
	#task: { readonly messageId: string; readonly ending: AbortController } | null = null;
	#progress: ReturnType<typeof wireProgress> | null = null;
	/** Ends the pause between two beats early. */
	#hurry = new AbortController();

	constructor(options: HeartbeatOptions) {
		this.#options = options;
		this.#running = this.#beat();
	}

	watch(messageId: string, clientSignal: AbortSignal): WatchedTask {
		const ending = new AbortController();
		const stop = (): void => ending.abort();
		if (clientSignal.aborted) stop();
		clientSignal.addEventListener("abort", stop, { once: true });
		this.#task = { messageId, ending };
		return {
			signal: ending.signal,
			onProgress: (progress) => {
				this.#progress = wireProgress(messageId, progress);
				this.#hurry.abort();
			},
			[Symbol.dispose]: () => {
				clientSignal.removeEventListener("abort", stop);
				this.#task = null;
				this.#progress = null;
			},
		};
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#stopping.abort();
		this.#hurry.abort();
		await this.#running;
	}

	async #beat(): Promise<void> {
		const { clock, heartbeatMs, progressMs } = this.#options;
		const { signal } = this.#stopping;
		while (!signal.aborted) {
			if (this.#progress === null) {
				this.#hurry = new AbortController();
				await untilCancelled(clock.sleep(heartbeatMs, { signal: this.#hurry.signal }));
			}
			if (signal.aborted) return;
			await this.#send(signal);
			await untilCancelled(clock.sleep(progressMs, { signal }));
		}
	}

	async #send(signal: AbortSignal): Promise<void> {
		const task = this.#task;
		const progress = this.#progress;
		this.#progress = null;
		const standing = this.#options.session.once(signal);
		if (standing === undefined) return;
		const { calls, nodeId } = standing;
		const { trust } = this.#options;
		try {
			const { unwanted, authorities } = await calls.unary(Fleet.method.sendNodeHeartbeat, {
				node: { nodeId },
				heartbeatInterval: MIN_INTERVAL_SECONDS,
				session: this.#options.session.session,
				running: task === null ? [] : [task.messageId],
				trusted: trust?.name() ?? "",
				...(progress === null ? {} : { progress }),
			});
			if (authorities.length > 0) await trust?.replace(authorities);
			if (task !== null && unwanted.includes(task.messageId)) task.ending.abort();
		} catch (error) {
			if (!(error instanceof FlowerError)) throw error;
		}
	}
}

/** The wire form: a value that is missing is absent. */
function wireProgress(messageId: string, { step, numSteps, loss, samplesPerSecond }: TaskProgress) {
	return {
		messageId,
		step,
		numSteps,
		...(loss === null ? {} : { loss }),
		...(samplesPerSecond === null ? {} : { samplesPerSecond }),
	};
}

async function untilCancelled(sleep: Promise<void>): Promise<void> {
	try {
		await sleep;
	} catch (error) {
		if (!isCancelled(error)) throw error;
	}
}
