// The viewer's predictions: one at a time in a child process, kept on disk by everything that they depend on.
import { type ChildProcess, fork } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sha256File, sha256Hex } from "@zk0/arrays/node";
import type { PredictionProgress, PredictionState, PredictionView } from "@zk0/dashboard/views";
import type { SiteProfile } from "@zk0/doctor";
import { openCheckpoint } from "@zk0/policy";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { locateModel } from "../evaluation/open-policy.ts";
import { bindingTo } from "../evaluation/site-binding.ts";
import { codeOf } from "../exit-codes.ts";
import type { Host } from "../host.ts";
import { HttpError } from "../http/http-error.ts";
import { checkpointIdentity, episodeIdentity } from "./identity.ts";
import type { ViewedModel } from "./models.ts";
import { bindingSchema, type PredictionTask, predictionMessageSchema } from "./prediction-task.ts";
import type { Recordings } from "./recordings.ts";

/** Predictions on disk; an episode of half a minute takes about 100 kB. */
const MAX_KEPT = 1000;

/** How predictions are made. */
export interface PredictorOptions {
	readonly recordings: Recordings;
	readonly profile: SiteProfile | null;
	/** For models that are not bound: dataset camera -> policy camera; undefined: the profile's, or equal names. */
	readonly camera: Readonly<Record<string, string>> | undefined;
	/** What there is to choose from, now. */
	readonly models: () => Promise<readonly ViewedModel[]>;
	/** Frames from one chunk to the next; null: the policy's n_action_steps. */
	readonly every: number | null;
	readonly seed: number;
	readonly threads: number;
	readonly device: PredictionTask["device"];
	/** Folder in which predictions are kept. */
	readonly cacheDir: string;
	readonly host: Host;
}

/** Makes predictions; disposing it ends those under way. */
export interface Predictor extends AsyncDisposable {
	/** Counts changes. */
	readonly version: number;
	/** True once it is disposed: there will be no more changes. */
	readonly isClosed: boolean;
	/** What is under way, and how many came to an end. */
	progress(): PredictionProgress;
	/** @throws HttpError not-found; what `openCheckpoint` throws */
	state(model: string, episode: number): Promise<PredictionState>;
	/** Begins, or waits for the one under way; does nothing for one that is there. @throws as `state` */
	start(model: string, episode: number): Promise<void>;
	/** Ends one that is under way. */
	cancel(model: string, episode: number): void;
}

/** Of the written document what is shown. */
const documentSchema = z.object({
	format: z.literal("zk0-prediction-1"),
	every: z.number(),
	joints: z.array(
		z.object({ error: z.number(), holdPose: z.number().nullable(), predicted: z.array(z.number()) }),
	),
	jointErrorDeg: z.number().nullable(),
	holdPoseErrorDeg: z.number().nullable(),
	chunks: z.array(z.object({ frame: z.number() })),
});

interface Job {
	readonly model: string;
	readonly episode: number;
	readonly abort: AbortController;
	done: number;
	frames: number;
	failure: { readonly message: string; readonly cure: string | null } | null;
}

/** What there is to know of a model before it predicts. */
type ModelPart = Pick<PredictionTask, "checkpoint" | "baseDir" | "vlmDir" | "weights" | "binding"> & {
	readonly identity: string;
};

/** No predictions yet, but those on disk. */
export function createPredictor(options: PredictorOptions): Predictor {
	return new ChildPredictor(options);
}

class ChildPredictor implements Predictor {
	readonly #options: PredictorOptions;
	readonly #jobs = new Map<string, Job>();
	readonly #parts = new Map<string, Promise<ModelPart>>();
	/** The last of the predictions that wait for each other. */
	#queue: Promise<void> = Promise.resolve();
	#version = 0;
	#numEnded = 0;
	#isClosed = false;

	constructor(options: PredictorOptions) {
		this.#options = options;
	}

	get version(): number {
		return this.#version;
	}

	get isClosed(): boolean {
		return this.#isClosed;
	}

	progress(): PredictionProgress {
		const underWay = [...this.#jobs.values()]
			.filter(({ failure }) => failure === null)
			.map(({ model, episode, done, frames }) => ({ model, episode, done, frames }));
		return { underWay, numEnded: this.#numEnded };
	}

	async state(model: string, episode: number): Promise<PredictionState> {
		await this.#require(model, episode);
		const job = this.#jobs.get(`${model}/${episode}`);
		if (job?.failure != null) return { kind: "failed", ...job.failure };
		if (job !== undefined) return { kind: "running", done: job.done, frames: job.frames };
		const prediction = await readPrediction((await this.#plan(model, episode)).out);
		return prediction === null ? { kind: "none" } : { kind: "ready", prediction };
	}

	async start(model: string, episode: number): Promise<void> {
		await this.#require(model, episode);
		const key = `${model}/${episode}`;
		if (this.#jobs.get(key)?.failure === null) return;
		const job: Job = { model, episode, abort: new AbortController(), done: 0, frames: 0, failure: null };
		this.#jobs.set(key, job);
		this.#version++;
		this.#queue = this.#queue.then(() => this.#work(key, job));
	}

	cancel(model: string, episode: number): void {
		const key = `${model}/${episode}`;
		this.#jobs.get(key)?.abort.abort();
		this.#jobs.delete(key);
		this.#version++;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#isClosed = true;
		for (const { abort } of this.#jobs.values()) abort.abort();
		this.#jobs.clear();
		await this.#queue;
	}

	/** Does one job; its failure is its state, until it is started again. */
	async #work(key: string, job: Job): Promise<void> {
		const { signal } = job.abort;
		try {
			if (signal.aborted) return;
			const task = await this.#plan(job.model, job.episode);
			if (!existsSync(task.out)) {
				await mkdir(this.#options.cacheDir, { recursive: true });
				await dropOldest(this.#options.cacheDir);
				await predictInChild(task, signal, (done, frames) => {
					Object.assign(job, { done, frames });
					this.#version++;
				});
			}
			this.#jobs.delete(key);
		} catch (error) {
			if (signal.aborted) return;
			const cure = error instanceof CliError ? (error.cure ?? null) : null;
			job.failure = { message: error instanceof Error ? error.message : String(error), cure };
		} finally {
			this.#numEnded++;
			this.#version++;
		}
	}

	async #require(model: string, episode: number): Promise<ViewedModel> {
		const found = (await this.#options.models()).find(({ id }) => id === model);
		if (found === undefined) throw new HttpError("not-found", `there is no model ${model} to look at`);
		if (this.#options.recordings.viewed.dataset.episodes[episode] === undefined)
			throw new HttpError("not-found", `there is no episode ${episode}`);
		return found;
	}

	/** The task of a prediction, whose file has the name of everything that it depends on. */
	async #plan(model: string, episode: number): Promise<PredictionTask> {
		const { recordings, every, seed, threads, device, cacheDir } = this.#options;
		const { dataset } = recordings.viewed;
		const { identity, ...part } = await this.#part(model, episode);
		const shown = await episodeIdentity(dataset, await recordings.rows(), episode);
		const name = sha256Hex(
			JSON.stringify(["zk0-prediction-1", identity, part.binding, shown, episode, every, seed, device]),
		);
		const { root, toleranceS, selection } = dataset;
		return {
			...part,
			dataset: {
				root,
				toleranceS,
				episodes: selection?.episodes === undefined ? null : [...selection.episodes],
				cameras: selection?.cameras === undefined ? null : [...selection.cameras],
			},
			episode,
			every,
			seed,
			threads,
			device,
			out: join(cacheDir, `${name.slice(0, 32)}.json`),
		};
	}

	/** What is known of a model, found out once; after a failure it is looked at again. */
	#part(model: string, episode: number): Promise<ModelPart> {
		const known = this.#parts.get(model);
		if (known !== undefined) return known;
		const found = this.#require(model, episode).then((viewed) => this.#open(viewed));
		this.#parts.set(model, found);
		found.catch(() => this.#parts.delete(model));
		return found;
	}

	async #open({ checkpoint: name, baseDir, weights = null }: ViewedModel): Promise<ModelPart> {
		const { host, recordings, profile, camera } = this.#options;
		const { directory, ...places } = await locateModel(name, host);
		const where = { ...places, ...(baseDir === undefined ? {} : { baseDir }) };
		using checkpoint = await openCheckpoint(directory, { ...where, hub: host });
		const { dataset, split } = recordings.viewed;
		const binding = checkpoint.isBound
			? null
			: await bindingTo(checkpoint, { dataset, profile, camera, train: split?.train, signal: host.signal });
		const own = await checkpointIdentity(directory);
		const base = checkpoint.base === null ? "" : await checkpointIdentity(checkpoint.base.directory);
		const trained = weights === null ? "" : await sha256File(weights);
		return {
			...where,
			checkpoint: directory,
			weights,
			// Statistics are array-likes; as JSON they are arrays.
			binding: binding === null ? null : plainBinding(binding),
			identity: `${own} ${base} ${trained}`,
		};
	}
}

function plainBinding({
	stats,
	renameMap,
	stateLength,
	actionLength,
}: Awaited<ReturnType<typeof bindingTo>>): PredictionTask["binding"] {
	const plain = Object.entries(stats).map(([feature, numbers]) => [
		feature,
		Object.fromEntries(Object.entries(numbers).map(([name, values]) => [name, Array.from(values)])),
	]);
	return bindingSchema.parse({ stats: Object.fromEntries(plain), renameMap, stateLength, actionLength });
}

/** A prediction on disk; null when it is not there, or not whole. */
async function readPrediction(path: string): Promise<PredictionView | null> {
	try {
		const { chunks, ...document } = documentSchema.parse(JSON.parse(await readFile(path, "utf8")));
		return { ...document, chunks: chunks.map(({ frame }) => frame) };
	} catch (error) {
		if (codeOf(error) === "ENOENT") return null;
		if (!(error instanceof SyntaxError || error instanceof z.ZodError)) throw error;
		await rm(path, { force: true });
		return null;
	}
}

/** Makes room for one more. */
async function dropOldest(dir: string): Promise<void> {
	const names = (await readdir(dir)).filter((name) => name.endsWith(".json"));
	if (names.length < MAX_KEPT) return;
	const dated = await Promise.all(
		names.map(async (name) => ({ name, atMs: (await stat(join(dir, name))).mtimeMs })),
	);
	dated.sort((a, b) => a.atMs - b.atMs);
	for (const { name } of dated.slice(0, names.length - MAX_KEPT + 1))
		await rm(join(dir, name), { force: true });
}

/** @throws CliError "prediction-failed" with the child's words */
async function predictInChild(
	task: PredictionTask,
	signal: AbortSignal,
	onFrames: (done: number, frames: number) => void,
): Promise<void> {
	const file = "prediction-process.js";
	const entry = new URL(
		import.meta.url.endsWith(".ts") ? `../../dist/episode-viewer/${file}` : `./${file}`,
		import.meta.url,
	);
	const child: ChildProcess = fork(fileURLToPath(entry), [], {
		stdio: ["ignore", "ignore", "inherit", "ipc"],
		execArgv: [],
	});
	const stop = (): void => void child.kill("SIGKILL");
	signal.addEventListener("abort", stop, { once: true });
	try {
		await new Promise<void>((resolve, reject) => {
			let failure: { readonly message: string; readonly cure: string | null } | null = null;
			child.on("message", (json) => {
				const message = predictionMessageSchema.parse(json);
				if (message.kind === "frames") onFrames(message.done, message.frames);
				else if (message.kind === "failed") failure = message;
			});
			child.on("error", reject);
			// "exit" may come before the last message; "close" comes when the channel is read to its end, too.
			child.on("close", (exitCode, killedBy) => {
				if (exitCode === 0) resolve();
				else if (signal.aborted) reject(signal.reason);
				else reject(predictionFailed(failure, exitCode ?? killedBy));
			});
			child.send(task);
		});
	} finally {
		signal.removeEventListener("abort", stop);
	}
}

function predictionFailed(
	failure: { readonly message: string; readonly cure: string | null } | null,
	end: number | string | null,
): CliError {
	if (failure !== null)
		return new CliError(
			"prediction-failed",
			failure.message,
			failure.cure === null ? {} : { cure: failure.cure },
		);
	return new CliError("prediction-failed", `the predicting process ended with ${end}`, {
		cure: "look at the terminal in which the viewer runs; with too little memory, take fewer threads or a smaller model",
	});
}
