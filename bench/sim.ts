// Benchmark `sim`: how often the scripted expert and a wandering arm solve each task, in neutral and varied
// workplaces, and how fast the world steps and draws.
import {
	createWorld,
	expertPolicy,
	loadEngine,
	randomPolicy,
	rollOut,
	TASKS,
	type WorldPolicy,
} from "@zk0/sim";

const NUM_SEEDS = 40;
const NUM_RANDOM_SEEDS = 10;

/** Success of the expert and of a random policy per task (rates), and milliseconds per step and picture. */
export async function benchSim(): Promise<{
	tasks: { task: string; expert: number; random: number; frames: number }[];
	worstExpert: number;
	worstRandom: number;
	stepMs: number;
	pictureMs: number;
	pictureMs640x480: number;
}> {
	const engine = await loadEngine();
	using world = await createWorld({ task: "reach-red", seed: 0, engine });
	const rate = async (task: string, numSeeds: number, policyOf: (seed: number) => WorldPolicy) => {
		let numMet = 0;
		let numFrames = 0;
		for (let seed = 0; seed < numSeeds; seed++) {
			world.reset(seed, { task, domain: seed % 2 === 0 ? undefined : `bench-${seed}` });
			const outcome = await rollOut(world, policyOf(seed));
			numFrames += outcome.numFrames;
			if (outcome.success) numMet++;
		}
		return { rate: numMet / numSeeds, frames: numFrames / numSeeds };
	};
	const tasks = [];
	for (const { id } of TASKS) {
		const expert = await rate(id, NUM_SEEDS, () => expertPolicy);
		const random = await rate(id, NUM_RANDOM_SEEDS, randomPolicy);
		tasks.push({ task: id, expert: expert.rate, random: random.rate, frames: expert.frames });
	}
	return {
		tasks,
		worstExpert: Math.min(...tasks.map((task) => task.expert)),
		worstRandom: Math.max(...tasks.map((task) => task.random)),
		stepMs: timeMs(200, () => world.step(world.state())),
		pictureMs: timeMs(200, () => world.render({ height: 96, width: 128 })) / 2,
		pictureMs640x480: timeMs(20, () => world.render({ height: 480, width: 640 })) / 2,
	};
}

/** Mean wall time of `work` over `count` calls, after as many to warm up. */
function timeMs(count: number, work: () => unknown): number {
	for (let call = 0; call < count; call++) work();
	const start = performance.now();
	for (let call = 0; call < count; call++) work();
	return (performance.now() - start) / count;
}
