// What a client writes down of its work, for the site's own page: the task at hand, a line per round, bytes, what went
// wrong. One small file, replaced while things change, so that whoever reads it needs nothing from the process.
import { type ClientActivity, type ClientRound, clientActivitySchema } from "@zk0/dashboard/views";
import type { ClientApp, ClientEvent, TaskContext } from "@zk0/federation";
import type { Traffic } from "@zk0/flower";
import { CliError } from "../cli-error.ts";
import { readJsonFile, writePrivateJson } from "./private-file.ts";

/** Writes down what it is told. */
export interface ActivityLog extends AsyncDisposable {
	/** The same app, watched. */
	observed(app: ClientApp): ClientApp;
	event(event: ClientEvent): void;
	traffic(traffic: Traffic): void;
}

/** Options of {@link openActivityLog}. */
export interface ActivityLogOptions {
	/** The file. */
	readonly path: string;
	/** The federation's address; what the file says of another one is forgotten. */
	readonly server: string;
	readonly site: string;
	readonly now: () => number;
	/** The file could not be written. */
	readonly onFault: (error: unknown) => void;
}

/** Shortest time between two writes. */
const WRITE_MS = 400;
/** A page shows no more; older ones are in the server's log. */
const MAX_ROUNDS = 500;
const MAX_INCIDENTS = 40;

/** Opens the file, and goes on where an earlier process stopped. @throws CliError "state-damaged" */
export async function openActivityLog(options: ActivityLogOptions): Promise<ActivityLog> {
	const kept = await readJsonFile(options.path, clientActivitySchema);
	const fresh = { server: options.server, rounds: [], bytesUp: 0, bytesDown: 0, incidents: [] };
	return new FileActivity(options, {
		...(kept?.server === options.server ? kept : fresh),
		task: null,
	});
}

type Failure = { readonly text: string; readonly cure?: string | null; readonly detail?: string | null };

class FileActivity implements ActivityLog {
	readonly #options: ActivityLogOptions;
	#activity: ClientActivity;
	#timer: NodeJS.Timeout | null = null;
	#writing: Promise<void> = Promise.resolve();
	#wasRetrying = false;

	constructor(options: ActivityLogOptions, activity: ClientActivity) {
		this.#options = options;
		this.#activity = activity;
	}

	observed(app: ClientApp): ClientApp {
		return {
			describe: () => app.describe(),
			train: async (task, context) => {
				const { globalStep, totalSteps } = task;
				const startedMs = this.#options.now();
				const result = await this.#work(
					{ ...task, phase: "train", globalStep, totalSteps },
					context,
					(watched) => app.train(task, watched),
				);
				this.#round(task, {
					trainLoss: result.metrics["loss"] ?? null,
					localHeldOutLoss: result.metrics["heldOutLoss"] ?? null,
					numSteps: task.numLocalSteps,
					numSamples: result.numSamples,
					trainSeconds: (this.#options.now() - startedMs) / 1000,
				});
				return result;
			},
			evaluate: async (task, context) => {
				const about = { ...task, phase: "evaluate", globalStep: null, totalSteps: null } as const;
				const result = await this.#work(about, context, (watched) => app.evaluate(task, watched));
				this.#round(task, { heldOutLoss: result.loss });
				return result;
			},
		};
	}

	event(event: ClientEvent): void {
		if (event.kind === "retrying" && !this.#wasRetrying)
			this.#incident("warning", null, {
				text: "The server could not be reached; the client goes on trying",
				cure: "nothing to do if it comes back; else check this machine's network, or ask the operator",
				detail: event.message,
			});
		this.#wasRetrying = event.kind === "retrying" || (this.#wasRetrying && event.kind === "pending");
		if (event.kind === "task-ended" && event.end.kind === "refused")
			this.#incident("error", null, {
				text: "The server did not take this site's result",
				detail: event.end.refusal.reason,
			});
		if (event.kind === "task-ended") this.#put({ task: null });
	}

	traffic({ requestBytes, responseBytes }: Traffic): void {
		const { bytesUp, bytesDown } = this.#activity;
		this.#put({ bytesUp: bytesUp + requestBytes, bytesDown: bytesDown + responseBytes });
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#activity = { ...this.#activity, task: null };
		this.#write();
		await this.#writing;
	}

	/** Shows a task while it is worked on, and keeps why it failed. */
	async #work<Result>(
		about: {
			readonly runId: string;
			readonly round: number;
			readonly phase: "train" | "evaluate";
			readonly globalStep: number | null;
			readonly totalSteps: number | null;
		},
		context: TaskContext,
		work: (context: TaskContext) => Promise<Result>,
	): Promise<Result> {
		const { runId, round, phase, globalStep, totalSteps } = about;
		const begun = { runId, round, phase, globalStep, totalSteps, startedAt: this.#now() };
		this.#put({ task: { ...begun, step: null, numSteps: null, loss: null, samplesPerSecond: null } });
		const onProgress: TaskContext["onProgress"] = (progress) => {
			const { step, numSteps, loss, samplesPerSecond } = progress;
			this.#put({ task: { ...begun, step, numSteps, loss, samplesPerSecond } });
			context.onProgress(progress);
		};
		try {
			return await work({ ...context, onProgress });
		} catch (error) {
			if (!context.signal.aborted)
				this.#incident("error", round, {
					text: `${phase === "train" ? "Training" : "Evaluation"} failed here; the run goes on without this site's part`,
					cure: error instanceof CliError ? (error.cure ?? null) : null,
					detail: error instanceof Error ? error.message : String(error),
				});
			throw error;
		}
	}

	#round({ runId, round }: { runId: string; round: number }, part: Partial<ClientRound>): void {
		const { rounds } = this.#activity;
		const at = rounds.findIndex((row) => row.runId === runId && row.round === round);
		const empty = {
			heldOutLoss: null,
			localHeldOutLoss: null,
			trainLoss: null,
			numSteps: null,
			numSamples: null,
			trainSeconds: null,
		};
		const row: ClientRound = { ...empty, runId, round, ...rounds[at], ...part, at: this.#now() };
		const others = at < 0 ? [...rounds, row] : rounds.with(at, row);
		this.#put({ rounds: others.slice(-MAX_ROUNDS) });
	}

	#incident(severity: "warning" | "error", round: number | null, failure: Failure): void {
		const { text, cure = null, detail = null } = failure;
		const { incidents } = this.#activity;
		const incident = { at: this.#now(), round, site: this.#options.site, severity, text, cure, detail };
		this.#put({ incidents: [...incidents, incident].slice(-MAX_INCIDENTS) });
	}

	#put(part: Partial<ClientActivity>): void {
		this.#activity = { ...this.#activity, ...part };
		this.#timer ??= setTimeout(() => this.#write(), WRITE_MS);
	}

	#write(): void {
		if (this.#timer !== null) clearTimeout(this.#timer);
		this.#timer = null;
		const activity = this.#activity;
		// One after another: the last one written is the newest.
		this.#writing = this.#writing
			.then(() => writePrivateJson(this.#options.path, activity))
			.catch(this.#options.onFault);
	}

	#now(): string {
		return new Date(this.#options.now()).toISOString();
	}
}
