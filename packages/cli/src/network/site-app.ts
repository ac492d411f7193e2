// The ClientApp of a site on the network: learns from a task which run it belongs to, gets the model that the run starts
// from, opens the site's recordings through it, and hands the work to the same app that simulations use.

import { createOrtRuntime } from "@zk0/autodiff/node";
import type { DoctorBadge } from "@zk0/dashboard/status";
import type { LeRobotDataset } from "@zk0/dataset";
import type { ClientApp, JsonValue, TaskContext } from "@zk0/federation";
import { createFinetuneApp, createPolicyEngine, createPool, parseLearning } from "@zk0/finetune";
import { openCheckpoint } from "@zk0/policy";
import type { Host } from "../host.ts";
import { createReporter } from "../progress/reporter.ts";
import { cacheDirectory } from "../recordings/recording-cache.ts";
import { machineChoices } from "../simulation/federation-options.ts";
import { openSites } from "../simulation/open-sites.ts";
import type { LocatedPlan } from "../simulation/site-plans.ts";
import type { ClientHome } from "./home.ts";
import { keepRound } from "./kept-rounds.ts";
import { parseSetup, type RunSetup } from "./run-setup.ts";
import { limitMemory } from "./site-memory.ts";
import { startModel } from "./start-files.ts";

/** What the app is made of. */
export interface SiteAppOptions {
	readonly home: ClientHome;
	/** The site and its recordings. */
	readonly plan: LocatedPlan;
	readonly dataset: LeRobotDataset;
	/** What the doctor said of it; null: it was not asked. */
	readonly badge: DoctorBadge | null;
	/** Policy camera of each dataset camera, where names differ. */
	readonly camera: Readonly<Record<string, string>> | null;
	readonly threads: number;
	readonly device: "auto" | "cpu" | "webgpu" | "cuda";
	/** Most bytes that this process may take; null: what the machine has. */
	readonly maxMemory: number | null;
	readonly host: Host;
	/** Is told, in words, what a run needs of the machine, and what could not be kept. */
	readonly onNote: (text: string) => void;
}

/** The site's app; disposing it closes the model and the recordings of the run at hand. */
export function createSiteApp(options: SiteAppOptions): ClientApp & AsyncDisposable {
	const { dataset, badge, maxMemory } = options;
	let current: { readonly key: string; readonly opened: Promise<OpenedRun> } | null = null;
	const close = async (): Promise<void> => {
		const closing = current;
		current = null;
		await (await closing?.opened)?.[Symbol.asyncDispose]();
	};
	const open = async (
		task: { readonly seed: number; readonly learning: JsonValue },
		context: TaskContext,
	): Promise<OpenedRun> => {
		const setup = parseSetup(task.learning);
		const key = JSON.stringify([task.seed, setup]);
		if (current?.key !== key) {
			await close();
			current = { key, opened: openRun(options, setup, { seed: task.seed, context }) };
		}
		try {
			return await current.opened;
		} catch (error) {
			current = null;
			throw error;
		}
	};
	return {
		describe: () => ({
			numSamples: dataset.numFrames,
			details: {
				robotType: dataset.robotType,
				fps: dataset.fps,
				tasks: dataset.tasks,
				cameras: dataset.cameraKeys,
				numEpisodes: dataset.numEpisodes,
				...(badge === null ? {} : { doctor: badge }),
				...(maxMemory === null ? {} : { maxMemoryBytes: maxMemory }),
			},
		}),
		async train(task, context) {
			const { app, setup, admit } = await open(task, context);
			admit(task.proximalMu > 0);
			return await app.train({ ...task, learning: setup.learning }, context);
		},
		async evaluate(task, context) {
			const { app, setup, admit } = await open(task, context);
			admit(false);
			const { home, host, onNote } = options;
			// What is only there to be looked at must not keep the site from its work.
			await keepRound(home.rounds, task, { setup, now: host.now() }).catch((error: unknown) =>
				onNote(`the weights of round ${task.round} are not kept to look at: ${String(error)}`),
			);
			return await app.evaluate({ ...task, learning: setup.learning }, context);
		},
		[Symbol.asyncDispose]: close,
	};
}

interface OpenedRun extends AsyncDisposable {
	readonly app: ClientApp;
	readonly setup: RunSetup;
	/** Looks whether a task fits the site's memory. @throws FinetuneError "memory-pressure" */
	readonly admit: (isProximal: boolean) => void;
}

async function openRun(
	options: SiteAppOptions,
	setup: RunSetup,
	{ seed, context }: { readonly seed: number; readonly context: TaskContext },
): Promise<OpenedRun> {
	const { home, plan, camera, host } = options;
	const opened: (Disposable | AsyncDisposable)[] = [];
	const close = async (): Promise<void> => {
		for (const resource of opened.splice(0).reverse())
			await (Symbol.asyncDispose in resource ? resource[Symbol.asyncDispose]() : resource[Symbol.dispose]());
	};
	const own = <T extends Disposable | AsyncDisposable>(resource: T): T => {
		opened.push(resource);
		return resource;
	};
	try {
		const { directory, ...places } = await startModel({
			models: home.models,
			host,
			start: setup.start,
			context,
		});
		const base = own(await openCheckpoint(directory, { ...places, hub: host }));
		const { sites } = own(
			await openSites([plan], {
				config: { ...setup.site, camera: camera === null ? null : { ...camera }, codec: "av1", seed },
				policy: base,
				cacheDir: cacheDirectory(host.env),
				reporter: own(createReporter({ stream: undefined, host, sites: [], rounds: 0 })),
				signal: host.signal,
			}),
		);
		const [site] = sites;
		if (site === undefined) throw new RangeError("openRun: no site");
		const { threads, device } = await machineChoices(
			{ threads: options.threads, device: options.device, concurrency: 1, sites: 1 },
			{ signal: host.signal },
		);
		const pool = own(
			createPool([createPolicyEngine(await createOrtRuntime({ threads, device }), base.model)]),
		);
		const memory =
			options.maxMemory === null
				? null
				: limitMemory({
						model: base.model,
						cameras: [...site.site.data.cameraMap.values()],
						site: plan.name,
						limitBytes: options.maxMemory,
						onNote: options.onNote,
					});
		const { batchSize } = parseLearning(setup.learning, plan.name);
		const app = createFinetuneApp({
			site: site.site,
			pool,
			stateDir: home.siteState,
			evalLocal: setup.site.evalLocal,
			...(memory === null ? {} : { microBatching: memory.microBatching }),
		});
		const admit = (isProximal: boolean): void => memory?.admit({ batchSize, isProximal });
		return { app, setup, admit, [Symbol.asyncDispose]: close };
	} catch (error) {
		await close();
		throw error;
	}
}
