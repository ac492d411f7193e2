// First part of pretraining the small base: vision tower and language layers learn to see and to understand which
// thing a sentence names. The simulator draws random scenes; a small head, thrown away afterwards, has to read two
// things off the policy's own values: from each image token how much of each hue its part of the picture holds and
// where in it, and from the language tokens' last values where the named cube and target lie on the table. Robot
// actions teach the same far more slowly, because most of an action chunk follows from the arm's pose alone.
import { float32Array, type NdArray, numElements, type Rng, rng } from "@zk0/arrays";
import {
	add,
	div,
	feedsOf,
	type Graph,
	learningRateAt,
	linear,
	mul,
	reduceMean,
	reduceSum,
	reshape,
	rmsNorm,
	slice,
	square,
	sub,
	transpose,
	type Value,
} from "@zk0/autodiff";
import { createOrtRuntime } from "@zk0/autodiff/node";
import {
	composeForward,
	modelDims,
	openStages,
	type PolicyModel,
	prepareObservations,
	type Tokenizer,
} from "@zk0/policy";
import { createWorld, loadEngine, type Task, tasksOf, type World } from "@zk0/sim";
import { HUE_NAMES, hueMoments, NUM_MOMENTS } from "./hue-moments.ts";

const PLACE_HEAD = "perception.place.weight";
const HUE_HEAD = "perception.hue.weight";
const ASKED_HEAD = "perception.asked.weight";
/** Moments of the one hue that a sentence names. */
const NUM_ASKED = 3;
/** Table coordinates of the named cube and the named target. */
const NUM_PLACES = 4;

type Picture = ReturnType<World["render"]> extends ReadonlyMap<string, infer Image> ? Image : never;

/** A sentence about a scene and what it names; a task without a cube or without a target leaves that part out. */
interface Question {
	readonly sentence: string;
	/** `[NUM_PLACES]`, centred and scaled. */
	readonly places: Float32Array;
	/** `[NUM_PLACES]`, 1 where the sentence names such a thing. */
	readonly named: Float32Array;
	/** Hue of the named cube, or of the target where there is no cube. */
	readonly hueIndex: number;
}

/** A drawn scene with everything that can be asked about it. */
interface Scene {
	readonly images: ReadonlyMap<string, Picture>;
	/** `[cameras, tokens, NUM_MOMENTS]`. */
	readonly moments: Float32Array;
	readonly state: Float32Array;
	readonly questions: readonly Question[];
}

/** Options of {@link trainPerception}. */
export interface PerceptionOptions {
	readonly tokenizer: Tokenizer;
	readonly seed: number;
	readonly numScenes: number;
	readonly numSteps: number;
	readonly batchSize: number;
	readonly threads: number;
	readonly log: (line: string) => void;
}

/** Every pretraining task whose cube and target are in the scene, with their places. */
function questionsAbout({ cubes, zones }: World["layout"], tasks: readonly Task[]): Question[] {
	return tasks.flatMap(({ goal, sentence }) => {
		const cube = "cube" in goal ? cubes.find(({ colour }) => colour === goal.cube) : null;
		const zone = "zone" in goal ? zones.find(({ colour }) => colour === goal.zone) : null;
		if (cube === undefined || zone === undefined) return [];
		const scaled = [cube, zone].flatMap((thing) =>
			thing === null ? [0, 0] : [(thing.x - 0.22) / 0.045, thing.y / 0.08],
		);
		const named = [cube, zone].flatMap((thing) => (thing === null ? [0, 0] : [1, 1]));
		const hueIndex = HUE_NAMES.indexOf("cube" in goal ? goal.cube : goal.zone);
		return [{ sentence, places: Float32Array.from(scaled), named: Float32Array.from(named), hueIndex }];
	});
}

async function drawScenes({ seed, numScenes }: PerceptionOptions, model: PolicyModel): Promise<Scene[]> {
	const { imageHeight: side, tokensPerImage } = modelDims(model.config, model.vlm).vision;
	const tasks = tasksOf("pretrain");
	using world = await createWorld({ task: tasks[0]?.id ?? "", seed, engine: await loadEngine() });
	return Array.from({ length: numScenes }, (_, index): Scene => {
		const task = tasks[index % tasks.length]?.id ?? "";
		world.reset(`perception/${seed}/${index}`, { task, domain: `perception#${index}` });
		const images = world.render({ height: side, width: side });
		const moments = [...images.values()].flatMap((image) => [
			...hueMoments(image, Math.sqrt(tokensPerImage)),
		]);
		return {
			images,
			moments: Float32Array.from(moments),
			state: world.state(),
			questions: questionsAbout(world.layout, tasks),
		};
	});
}

/** Loss and gradients of the trained backbone tensors and the heads. */
function buildGraph(model: PolicyModel, batchSize: number, trained: readonly string[]): Graph {
	const stages = openStages(model, { batchSize }, new Set(trained));
	const { graph, dims, layout } = stages;
	const { imageTokens, layers } = composeForward(stages).prefix;
	const last = layers.at(-1);
	if (imageTokens === null || last === undefined) throw new TypeError("perception: the graph has no prefix");
	const { tokensPerImage } = dims.vision;
	const { width, numKvHeads, headDim, eps } = dims.text;

	const ones = graph.constant(float32Array([width], new Float32Array(width).fill(1)));
	const numTokens = layout.cameras.length * tokensPerImage;
	const tokens = rmsNorm(reshape(imageTokens, [batchSize, numTokens, width]), ones, eps);
	const hueHead = graph.parameter(HUE_HEAD, [NUM_MOMENTS, width]);
	const hues = linear(tokens, hueHead); // [B, tokens, NUM_MOMENTS]
	const hueLoss = reduceMean(square(sub(hues, graph.input("moments", "float32", hues.shape))));

	// Which of its hues the sentence asks for: every image token has to listen to the words.
	const middle = layers.at(-2) ?? last;
	const askedHead = graph.parameter(ASKED_HEAD, [NUM_ASKED, numKvHeads * headDim]);
	const byToken = reshape(transpose(middle.value, [0, 2, 1, 3]), [
		batchSize,
		layout.numTokens,
		numKvHeads * headDim,
	]);
	const askedHue = slice(linear(byToken, askedHead), { axis: 1, start: 0, end: numTokens }); // [B, tokens, NUM_ASKED]
	const askedLoss = reduceMean(square(sub(askedHue, graph.input("asked", "float32", askedHue.shape))));

	const { languageLength } = layout;
	const start = layout.numTokens - languageLength;
	const values = slice(last.value, { axis: 2, start, end: layout.numTokens }); // [B, kvHeads, L, headDim]
	const mask = graph.input("language_mask", "float32", [batchSize, 1, languageLength, 1]);
	const heard = div(reduceSum(mul(values, mask), { axes: [2] }), reduceSum(mask, { axes: [2] })); // [B, kvHeads, headDim]
	const placeHead = graph.parameter(PLACE_HEAD, [NUM_PLACES, numKvHeads * headDim]);
	const told = linear(reshape(heard, [batchSize, numKvHeads * headDim]), placeHead);
	const target = (name: string): Value => graph.input(name, "float32", [batchSize, NUM_PLACES]);
	const named = target("named");
	const placeLoss = div(reduceSum(mul(named, square(sub(told, target("places"))))), reduceSum(named));

	graph.output("place_loss", placeLoss);
	graph.output("hue_loss", hueLoss);
	graph.output("asked_loss", askedLoss);
	const loss = add(placeLoss, add(mul(hueLoss, 20), mul(askedLoss, 20)));
	graph.output("loss", loss);
	const parameters = [...trained.map((name) => stages.weights.get(name)), hueHead, askedHead, placeHead];
	const names = [...trained, HUE_HEAD, ASKED_HEAD, PLACE_HEAD];
	for (const [index, gradient] of graph.gradients(loss, parameters).entries()) {
		graph.output(`grad:${names[index]}`, gradient);
	}
	return graph.build();
}

/** Feeds of a batch; inputs that only other parts of the policy read are zeros. */
function feedsOfScenes(
	graph: Graph,
	asked: readonly { readonly scene: Scene; readonly question: Question }[],
	{ model, tokenizer }: { readonly model: PolicyModel; readonly tokenizer: Tokenizer },
): Map<string, NdArray> {
	const frames = asked.map(({ scene: { images, state }, question }) => ({
		images,
		state,
		task: question.sentence,
	}));
	const length = modelDims(model.config, model.vlm).stateLength;
	const unit = { mean: new Float32Array(length), std: new Float32Array(length).fill(1) };
	const stats = { "observation.state": unit };
	const seen = prepareObservations(frames, { ...model, tokenizer, stats });
	const bias = seen.get("prefix_bias");
	if (!(bias?.data instanceof Float32Array)) throw new TypeError("perception: no prefix bias");
	const numPrefix = bias.shape[1] ?? 0;
	const biases = bias.data;
	const feeds = new Map<string, NdArray>();
	for (const [name, { kind, dtype, shape }] of feedsOf(graph)) {
		if (kind !== "input") continue;
		const given = seen.get(name);
		if (given !== undefined) feeds.set(name, given);
		else if (dtype === "float32")
			feeds.set(name, { dtype, shape, data: new Float32Array(numElements(shape)) });
		else feeds.set(name, { dtype: "int64", shape, data: new BigInt64Array(numElements(shape)) });
	}
	const fill = (name: string, row: (index: number) => Float32Array): void => {
		const target = feeds.get(name)?.data;
		if (!(target instanceof Float32Array)) throw new TypeError(`perception: no float32 input ${name}`);
		const size = target.length / asked.length;
		for (const index of asked.keys()) target.set(row(index), index * size);
	};
	const languageLength = (feeds.get("language_mask")?.shape ?? [])[2] ?? 0;
	fill("language_mask", (index) => {
		const end = (index + 1) * numPrefix;
		return biases.slice(end - languageLength, end).map((value) => (value === 0 ? 1 : 0));
	});
	fill("moments", (index) => asked[index]?.scene.moments ?? new Float32Array(0));
	fill("asked", (index) => {
		const { moments } = asked[index]?.scene ?? { moments: new Float32Array(0) };
		const first = 3 * (asked[index]?.question.hueIndex ?? 0);
		return moments.filter((_, at) => at % NUM_MOMENTS >= first && at % NUM_MOMENTS < first + NUM_ASKED);
	});
	fill("places", (index) => asked[index]?.question.places ?? new Float32Array(0));
	fill("named", (index) => asked[index]?.question.named ?? new Float32Array(0));
	return feeds;
}

function pick<Item>(items: readonly Item[], random: Rng): Item {
	const item = items[random.below(items.length)];
	if (item === undefined) throw new RangeError("perception: nothing to pick from");
	return item;
}

/** Trains `trained` (tensors of vision tower, connector and language layers) and returns them. */
export async function trainPerception(
	model: PolicyModel,
	trained: readonly string[],
	options: PerceptionOptions,
): Promise<Map<string, NdArray<"float32">>> {
	const { seed, numSteps, batchSize, threads, log, tokenizer } = options;
	const scenes = await drawScenes(options, model);
	log(`drew ${scenes.length} scenes`);
	const graph = buildGraph(model, batchSize, trained);
	await using runtime = await createOrtRuntime({ threads });
	await using trainer = await runtime.createTrainer({
		trainGraph: graph,
		adamw: { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0 },
		clipNorm: 1,
	});
	const random = rng(seed, "perception", "head");
	const { width, numKvHeads, headDim } = modelDims(model.config, model.vlm).text;
	const head = (rows: number, columns: number): NdArray<"float32"> =>
		float32Array(
			[rows, columns],
			Float32Array.from({ length: rows * columns }, () => 0.05 * random.normal()),
		);
	await trainer.loadParameters(
		new Map([
			...trained.map((name) => [name, model.tensors.readFloat32(name)] as const),
			[HUE_HEAD, head(NUM_MOMENTS, width)],
			[ASKED_HEAD, head(NUM_ASKED, numKvHeads * headDim)],
			[PLACE_HEAD, head(NUM_PLACES, numKvHeads * headDim)],
		]),
	);
	const draw = rng(seed, "perception", "batches");
	const nextBatch = () => {
		const asked = Array.from({ length: batchSize }, () => {
			const scene = pick(scenes, draw);
			return { scene, question: pick(scene.questions, draw) };
		});
		return feedsOfScenes(graph, asked, { model, tokenizer });
	};
	const sums = { place: 0, hue: 0, asked: 0 };
	const schedule = { peakLr: 1e-3, warmupSteps: 50, decaySteps: numSteps, decayLr: 1e-4 };
	let feeds = nextBatch();
	for (let step = 0; step < numSteps; step++) {
		const stepping = trainer.step(feeds, { learningRate: learningRateAt(step, schedule) });
		feeds = nextBatch();
		const { outputs } = await stepping;
		sums.place += Number(outputs.get("place_loss")?.data[0]);
		sums.hue += Number(outputs.get("hue_loss")?.data[0]);
		sums.asked += Number(outputs.get("asked_loss")?.data[0]);
		if ((step + 1) % 100 !== 0) continue;
		const means = Object.entries(sums).map(([name, sum]) => `${name} ${(sum / 100).toFixed(5)}`);
		log(`perception step ${step + 1}: ${means.join(", ")}`);
		Object.assign(sums, { place: 0, hue: 0, asked: 0 });
	}
	const learned = await trainer.readParameters();
	return new Map([...learned].filter(([name]) => trained.includes(name)));
}
