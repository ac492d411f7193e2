// One dataset divided among clients, for research on federations: as it comes, at random, or skewed by task. A pure
// function of the episodes and the seed; every episode goes to exactly one client and every client gets some.
import { rng } from "@zk0/arrays";
import { DatasetError } from "./errors.ts";

/** How episodes are dealt to `clients`. */
export type PartitionScheme =
	/** Episode index modulo the number of clients. */
	| { readonly by: "modulo"; readonly clients: number }
	/** A random permutation, dealt evenly. */
	| { readonly by: "iid"; readonly clients: number }
	/**
	 * Skewed by task: each client draws its mixture of tasks from a Dirichlet distribution with parameters
	 * alpha * (share of each task), and its episodes from that mixture, without replacement (Hsu, Qi & Brown 2019,
	 * "Measuring the Effects of Non-Identical Data Distribution", arXiv:1909.06335). Small alpha: nearly one task per
	 * client; large alpha: nearly the same mixture for all. Clients differ by at most one episode in size.
	 */
	| { readonly by: "dirichlet"; readonly clients: number; readonly alpha: number };

/** What of an episode matters here. */
export interface PartitionedEpisode {
	readonly index: number;
	readonly tasks: readonly string[];
}

/**
 * The episode indices of each client, ascending.
 * @throws DatasetError "no-episodes" when there are more clients than episodes; RangeError for parameters out of range.
 */
export function partitionEpisodes(
	episodes: readonly PartitionedEpisode[],
	scheme: PartitionScheme,
	{ seed }: { readonly seed: number },
): number[][] {
	const { clients } = scheme;
	if (!Number.isSafeInteger(clients) || clients < 1) {
		throw new RangeError(`partitionEpisodes: ${clients} clients, expected a whole number from 1 on`);
	}
	if (episodes.length < clients) {
		throw new DatasetError(
			"no-episodes",
			`${episodes.length} episodes cannot be divided among ${clients} clients; record more, or take fewer clients`,
		);
	}
	const parts: number[][] = Array.from({ length: clients }, () => []);
	for (const [place, index] of dealingOrder(episodes, scheme, seed).entries())
		parts[place % clients]?.push(index);
	return parts.map((part) => part.sort((a, b) => a - b));
}

/** Episode indices in the order in which they are dealt, one client after the other, round by round. */
function dealingOrder(
	episodes: readonly PartitionedEpisode[],
	scheme: PartitionScheme,
	seed: number,
): number[] {
	const ascending = episodes.map(({ index }) => index).sort((a, b) => a - b);
	if (scheme.by === "dirichlet") return dirichletOrder(episodes, scheme, seed);
	if (scheme.by === "modulo") return ascending;
	const order = rng(seed, "partition", "iid").permutation(ascending.length);
	return Array.from(order, (place) => ascending[place] ?? 0);
}

/** The task of an episode; several are one kind of their own. */
export function taskOf({ tasks }: Pick<PartitionedEpisode, "tasks">): string {
	return tasks.join(" + ");
}

function dirichletOrder(
	episodes: readonly PartitionedEpisode[],
	{ clients, alpha }: { readonly clients: number; readonly alpha: number },
	seed: number,
): number[] {
	if (!(alpha > 0 && Number.isFinite(alpha))) {
		throw new RangeError(`partitionEpisodes: alpha is ${alpha}, expected a number above 0`);
	}
	const left = new Map<string, number[]>();
	for (const episode of [...episodes].sort((a, b) => a.index - b.index)) {
		const task = taskOf(episode);
		left.set(task, [...(left.get(task) ?? []), episode.index]);
	}
	// By name, so that the order of the task table does not matter.
	const tasks = [...left.keys()].sort();
	for (const task of tasks) {
		const own = left.get(task) ?? [];
		const order = rng(seed, "partition", "task", task).permutation(own.length);
		left.set(
			task,
			Array.from(order, (place) => own[place] ?? 0),
		);
	}
	const shares = tasks.map((task) => (left.get(task)?.length ?? 0) / episodes.length);
	const mixtures = Array.from({ length: clients }, (_, client) =>
		dirichlet(
			shares.map((share) => alpha * share),
			rng(seed, "partition", "mixture", client),
		),
	);
	const draws = rng(seed, "partition", "draws");
	return episodes.map((_, place) => {
		const open = tasks.map((task, at) =>
			(left.get(task)?.length ?? 0) > 0 ? (mixtures[place % clients]?.[at] ?? 0) : 0,
		);
		const at = drawIndex(
			open,
			tasks.map((task) => left.get(task)?.length ?? 0),
			draws.uniform(),
		);
		return left.get(tasks[at] ?? "")?.pop() ?? 0;
	});
}

/** An index in proportion to `weights`; in proportion to `fallback` when the weights sum to nothing. */
function drawIndex(weights: readonly number[], fallback: readonly number[], uniform: number): number {
	const sum = weights.reduce((a, b) => a + b, 0);
	const used = sum > 0 ? weights : fallback;
	let rest = uniform * used.reduce((a, b) => a + b, 0);
	for (const [index, weight] of used.entries()) {
		rest -= weight;
		if (rest < 0) return index;
	}
	return used.findLastIndex((weight) => weight > 0);
}

/**
 * A Dirichlet deviate as normalised Gamma deviates (Marsaglia & Tsang 2000, "A Simple Method for Generating Gamma
 * Variables"), in logarithms: with small parameters the deviates themselves would underflow.
 */
function dirichlet(parameters: readonly number[], stream: ReturnType<typeof rng>): number[] {
	const logs = parameters.map((parameter) => {
		// Gamma(a) = Gamma(a + 1) * U^(1/a); the uniform is kept from 0.
		const boost = Math.log(1 - stream.uniform()) / parameter;
		const d = parameter + 1 - 1 / 3;
		const c = 1 / Math.sqrt(9 * d);
		for (;;) {
			const x = stream.normal();
			const v = (1 + c * x) ** 3;
			if (v > 0 && Math.log(1 - stream.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) {
				return Math.log(d * v) + boost;
			}
		}
	});
	const largest = Math.max(...logs);
	const weights = logs.map((log) => Math.exp(log - largest));
	const sum = weights.reduce((a, b) => a + b, 0);
	return weights.map((weight) => weight / sum);
}
