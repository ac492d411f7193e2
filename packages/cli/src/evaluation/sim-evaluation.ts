// A bound checkpoint in the simulated world: how often it solves a task, beside an arm that wanders and the scripted
// expert, all three in the same episodes.
import { createOrtRuntime, type Device } from "@zk0/autodiff/node";
import {
	type Actor,
	createPolicyActor,
	createPolicyEngine,
	type Environment,
	evaluateClosedLoop,
	type SuccessRate,
	scriptedActor,
	wilsonInterval,
} from "@zk0/finetune";
import { type Checkpoint, cameraKeys } from "@zk0/policy";
import {
	createWorld,
	HOLD_S,
	loadEngine,
	MAX_EPISODE_S,
	randomPolicy,
	type SimSource,
	type World,
} from "@zk0/sim";

/** What to evaluate. */
export interface SimEvaluationOptions {
	/** Tasks, workplace, picture size and control rate. */
	readonly source: SimSource;
	/** Episodes per task and actor. */
	readonly episodes: number;
	readonly seed: number;
	readonly threads: number;
	readonly device: Device;
	/** Called after every episode. */
	readonly onEpisode: (task: string, actor: ActorName, numDone: number) => void;
	readonly signal: AbortSignal;
}

/** Who acts. */
export type ActorName = "policy" | "random" | "scripted";

/** How often each actor solved something. */
export type ActorRates = Readonly<Record<ActorName, SuccessRate>>;

/** What was found. */
export interface SimEvaluation extends ActorRates {
	readonly tasks: readonly ({ readonly task: string; readonly sentence: string } & ActorRates)[];
}

/** Evaluates a checkpoint in closed loop. @throws FinetuneError "camera-missing"; SimError */
export async function evaluateInSim(
	checkpoint: Checkpoint,
	options: SimEvaluationOptions,
): Promise<SimEvaluation> {
	const { source } = options;
	const { model, tokenizer, stats, config } = checkpoint;
	await using engine = createPolicyEngine(
		await createOrtRuntime({ threads: options.threads, device: options.device }),
		model,
	);
	const context = { ...model, tokenizer, stats, cameras: cameraKeys(config) };
	const renamed = new Map(Object.entries(checkpoint.renameMap));
	const policy = createPolicyActor(engine, { context, cameraMap: renamed });
	const physics = await loadEngine();
	const tasks: SimEvaluation["tasks"][number][] = [];
	for (const task of source.tasks) {
		const { image, fps, domain } = source;
		using world = await createWorld({ task, seed: options.seed, image, fps, domain, engine: physics });
		const wander = randomPolicy(options.seed);
		const actors: Readonly<Record<ActorName, { readonly actor: Actor; readonly numActions: number }>> = {
			policy: { actor: policy, numActions: config.n_action_steps },
			random: { actor: { plan: async () => [Float32Array.from(await wander(world))] }, numActions: 1 },
			scripted: { actor: scriptedActor(() => world.expertAction()), numActions: 1 },
		};
		const rate = async (name: ActorName): Promise<SuccessRate> => {
			const { actor, numActions } = actors[name];
			const {
				successes,
				episodes,
				rate: share,
				low,
				high,
			} = await evaluateClosedLoop({
				env: environmentOf(world, domain),
				actor,
				episodes: options.episodes,
				maxSteps: Math.round(MAX_EPISODE_S * world.fps),
				nActionSteps: numActions,
				seed: options.seed,
				onEpisode: ({ episode }) => options.onEpisode(task, name, episode + 1),
				signal: options.signal,
			});
			return { successes, episodes, rate: share, low, high };
		};
		const { sentence } = world.task;
		tasks.push({
			task,
			sentence,
			policy: await rate("policy"),
			random: await rate("random"),
			scripted: await rate("scripted"),
		});
	}
	const total = (name: ActorName): SuccessRate =>
		wilsonInterval(
			tasks.reduce((sum, rates) => sum + rates[name].successes, 0),
			tasks.reduce((sum, rates) => sum + rates[name].episodes, 0),
		);
	return { tasks, policy: total("policy"), random: total("random"), scripted: total("scripted") };
}

/** A world as the closed loop wants it; a task is solved once it has stayed met for a while. */
function environmentOf(world: World, domain: string | undefined): Environment {
	const holdSteps = Math.ceil(HOLD_S * world.fps);
	let numMet = 0;
	return {
		reset(seed) {
			numMet = 0;
			world.reset(seed, { domain });
		},
		observe() {
			const { state, images } = world.observe();
			return { state, images, task: world.task.sentence };
		},
		step(action) {
			world.step(action);
			numMet = world.success() ? numMet + 1 : 0;
		},
		success: () => numMet >= holdSteps,
	};
}
