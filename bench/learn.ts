// Benchmark `learn`: does the federated policy look, listen and act? A longer run of the demonstration sites from the
// small base policy; then, on held-out episodes, the loss with pictures, states or sentences of other frames, the
// error of sampled chunks in degrees beside holding the pose and the mean action, and success in closed loop beside
// an arm that wanders. Figures of one seed on one machine: a few points of success are noise (see the interval).
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NamedArrays } from "@zk0/arrays";
import { openSafetensors, writeSafetensorsFile } from "@zk0/arrays/node";
import { createOrtRuntime } from "@zk0/autodiff/node";
import { openDataset } from "@zk0/dataset";
import { fedProx, openEventLog, type RoundEvent, simulate } from "@zk0/federation";
import {
	createFinetuneApp,
	createPolicyActor,
	createPolicyEngine,
	createPool,
	createSite,
	defaultLearning,
	type Environment,
	evaluateClosedLoop,
	evaluateOnSite,
	type HeldOutResult,
	type Learning,
	learningJson,
	type PolicyEngine,
	type Pool,
	type ShuffledLosses,
	type Site,
	shuffledLosses,
	wilsonInterval,
} from "@zk0/finetune";
import { type Checkpoint, openCheckpoint, overlayTensors, trainableNames } from "@zk0/policy";
import {
	createWorld,
	DEMO_SITES,
	type DemoSite,
	HOLD_S,
	loadEngine,
	MAX_EPISODE_S,
	randomPolicy,
	recordDataset,
	type World,
} from "@zk0/sim";

const IMAGE = { height: 96, width: 96 };
const SEED = 42;

/** Size of the run; the defaults take about ten minutes on two cores. */
export interface LearnOptions {
	/** Recorded episodes per site. */
	readonly episodes?: number;
	readonly rounds?: number;
	readonly localSteps?: number;
	readonly batchSize?: number;
	readonly learningRate?: number;
	/** Closed-loop episodes per task, for the policy and for the wandering arm each. */
	readonly simEpisodes?: number;
	/** Checkpoint to start from. */
	readonly base?: string;
}

/** Result; losses and errors are means over the sites. */
export interface LearnFigures extends ShuffledLosses {
	readonly lossRound0: number;
	readonly jointErrorDeg: number;
	readonly holdPoseErrorDeg: number;
	readonly meanActionErrorDeg: number;
	/** Share of closed-loop episodes solved, and its 95 % interval. */
	readonly simSuccess: number;
	readonly simSuccessInterval: readonly [number, number];
	readonly simSuccessRandom: number;
	readonly perTask: readonly { readonly task: string; readonly policy: number; readonly random: number }[];
	readonly seconds: number;
}

/** Runs the benchmark. */
export async function benchLearn(options: LearnOptions = {}): Promise<LearnFigures> {
	const { episodes = 60, rounds = 20, localSteps = 50, batchSize = 16, simEpisodes = 10 } = options;
	const startedMs = performance.now();
	const dir = await mkdtemp(join(tmpdir(), "zk0-bench-learn-"));
	try {
		using base = await openCheckpoint(options.base ?? "packages/policy/assets/small-base");
		const learning: Learning = {
			...defaultLearning(base.config),
			batchSize,
			peakLr: options.learningRate ?? 5e-4,
		};
		await using sites = await openSites(dir, base, episodes);
		await using pool = await createEngines(base, 2);
		const { weights, lossRound0 } = await federate(dir, {
			base,
			sites: sites.list,
			pool,
			learning,
			rounds,
			localSteps,
		});
		const heldOut: HeldOutResult[] = [];
		const shuffled: ShuffledLosses[] = [];
		for (const site of sites.list) {
			const result = await evaluateOnSite(site, pool, { weights, learning, seed: SEED });
			if (result === null) throw new RangeError(`bench learn: ${site.data.name} holds out nothing`);
			heldOut.push(result);
			shuffled.push(
				await pool.use(async (engine) => {
					const compiled = await engine.trainerFor(site.shapeFor(batchSize), learning);
					await compiled.trainer.loadParameters(weights);
					return await shuffledLosses(site, engine, compiled, { seed: SEED });
				}),
			);
		}
		const driving = await drive({ base, sites: sites.list, weights, simEpisodes });
		const loss = (pick: (losses: ShuffledLosses) => number | null): number => mean(shuffled.map(pick));
		return {
			lossRound0,
			lossTrue: loss(({ lossTrue }) => lossTrue),
			lossShuffledImages: loss(({ lossShuffledImages }) => lossShuffledImages),
			lossShuffledStates: loss(({ lossShuffledStates }) => lossShuffledStates),
			lossShuffledTasks: loss(({ lossShuffledTasks }) => lossShuffledTasks),
			jointErrorDeg: mean(heldOut.map(({ joints }) => joints.meanDeg)),
			holdPoseErrorDeg: mean(heldOut.map(({ holdPose }) => holdPose?.meanDeg ?? null)),
			meanActionErrorDeg: mean(heldOut.map(({ meanAction }) => meanAction.meanDeg)),
			...driving,
			seconds: (performance.now() - startedMs) / 1000,
		};
	} finally {
		await rm(dir, { recursive: true });
	}
}

function mean(values: readonly (number | null)[]): number {
	const present = values.filter((value) => value !== null);
	if (present.length !== values.length)
		throw new RangeError("bench learn: a figure is missing for some site");
	return present.reduce((sum, value) => sum + value, 0) / present.length;
}

async function openSites(
	dir: string,
	base: Checkpoint,
	episodes: number,
): Promise<{ readonly list: readonly Site[] } & AsyncDisposable> {
	const list: Site[] = [];
	for (const { name, taskIds, domain } of DEMO_SITES) {
		await recordDataset(join(dir, name), { tasks: taskIds, episodes, seed: SEED, domain, image: IMAGE });
		const site = await createSite({
			name,
			dataset: await openDataset(join(dir, name)),
			policy: { ...base.model, tokenizer: base.tokenizer },
			evalFrames: 96,
			sampledFrames: 48,
		});
		list.push(site);
	}
	return {
		list,
		async [Symbol.asyncDispose]() {
			for (const site of list) await site[Symbol.asyncDispose]();
		},
	};
}

async function createEngines(base: Checkpoint, numEngines: number): Promise<Pool<PolicyEngine>> {
	const engines: PolicyEngine[] = [];
	for (let index = 0; index < numEngines; index++) {
		engines.push(createPolicyEngine(await createOrtRuntime({ threads: 1 }), base.model));
	}
	return createPool(engines);
}

async function federate(
	dir: string,
	run: {
		readonly base: Checkpoint;
		readonly sites: readonly Site[];
		readonly pool: Pool<PolicyEngine>;
		readonly learning: Learning;
		readonly rounds: number;
		readonly localSteps: number;
	},
): Promise<{ weights: NamedArrays; lossRound0: number }> {
	const { base, sites, pool } = run;
	const initialWeightsPath = join(dir, "initial.safetensors");
	const names = trainableNames(base.config, base.vlm);
	await writeSafetensorsFile(
		initialWeightsPath,
		new Map(names.map((name) => [name, base.model.tensors.readFloat32(name)])),
	);
	await using log = await openEventLog(join(dir, "events.jsonl"));
	const runDir = join(dir, "federation");
	const events: RoundEvent[] = [];
	for await (const event of simulate({
		runId: "bench-learn",
		seed: SEED,
		numRounds: run.rounds,
		numLocalSteps: run.localSteps,
		learning: learningJson(run.learning),
		strategy: fedProx({ mu: 0.01 }),
		initialWeightsPath,
		log,
		dir: runDir,
		sites: sites.map((site) => ({
			site: site.data.name,
			app: createFinetuneApp({ site, pool, stateDir: join(dir, "state") }),
		})),
		concurrency: pool.size,
	})) {
		events.push(event);
		if (event.kind === "round.evaluated")
			console.error(`round ${event.round}: ${JSON.stringify(event.perSite)}`);
	}
	const first = events.find((event) => event.kind === "round.evaluated");
	const last = events.find((event) => event.kind === "run.completed");
	if (last === undefined || first?.loss === undefined || first.loss === null) {
		throw new RangeError(`bench learn: the run did not complete: ${JSON.stringify(events.at(-1))}`);
	}
	using file = openSafetensors(join(runDir, "server", "objects", last.weightsSha256));
	const weights = new Map(names.map((name) => [name, file.readFloat32(name)]));
	return { weights, lossRound0: first.loss };
}

type Driving = Pick<LearnFigures, "simSuccess" | "simSuccessInterval" | "simSuccessRandom" | "perTask">;

/** Closed-loop success over every demonstration task at its own site. */
async function drive(run: {
	readonly base: Checkpoint;
	readonly sites: readonly Site[];
	readonly weights: NamedArrays;
	readonly simEpisodes: number;
}): Promise<Driving> {
	const { base, sites, weights, simEpisodes } = run;
	const model = { ...base.model, tensors: overlayTensors(base.model.tensors, weights) };
	await using engine = createPolicyEngine(await createOrtRuntime({ threads: 2 }), model);
	const physics = await loadEngine();
	const perTask: { task: string; policy: number; random: number }[] = [];
	for (const site of sites) {
		const demo = DEMO_SITES.find(({ name }) => name === site.data.name);
		for (const task of demo?.taskIds ?? []) {
			using world = await createWorld({ task, seed: 0, image: IMAGE, domain: demo?.domain, engine: physics });
			const env = environmentOf(world, demo);
			const shared = { env, episodes: simEpisodes, maxSteps: MAX_EPISODE_S * world.fps, seed: SEED };
			const actor = createPolicyActor(engine, { context: site.data.context });
			const policy = await evaluateClosedLoop({ ...shared, actor, nActionSteps: base.config.n_action_steps });
			const wander = randomPolicy(SEED);
			const wandering = { plan: async () => [Float32Array.from(await wander(world))] };
			const random = await evaluateClosedLoop({ ...shared, actor: wandering, nActionSteps: 1 });
			perTask.push({ task, policy: policy.rate, random: random.rate });
		}
	}
	const total = simEpisodes * perTask.length;
	const solved = Math.round(simEpisodes * perTask.reduce((sum, { policy }) => sum + policy, 0));
	const interval = wilsonInterval(solved, total);
	return {
		simSuccess: interval.rate,
		simSuccessInterval: [interval.low, interval.high],
		simSuccessRandom: mean(perTask.map(({ random }) => random)),
		perTask,
	};
}

/** A world as the closed loop wants it; solved means that the task stayed met for a while. */
function environmentOf(world: World, demo: DemoSite | undefined): Environment {
	const holdSteps = Math.ceil(HOLD_S * world.fps);
	let numMet = 0;
	return {
		reset: (seed) => {
			numMet = 0;
			world.reset(seed, { domain: demo?.domain });
		},
		observe: () => {
			const { state, images } = world.observe();
			return { state, images, task: world.task.sentence };
		},
		step: (action) => {
			world.step(action);
			numMet = world.success() ? numMet + 1 : 0;
		},
		success: () => numMet >= holdSteps,
	};
}
