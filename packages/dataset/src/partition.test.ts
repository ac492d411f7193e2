// Every episode goes to one client, clients are of one size, and alpha does to the tasks what it should.
import fc from "fast-check";
import { expect, test } from "vitest";
import { type PartitionScheme, partitionEpisodes, taskOf } from "./partition.ts";

const TASKS = ["push", "pull", "fold", "wave"];

function recorded(numEpisodes: number, numTasks: number) {
	return Array.from({ length: numEpisodes }, (_, index) => ({
		index,
		tasks: [TASKS[index % numTasks] ?? ""],
	}));
}

const schemes = fc.integer({ min: 1, max: 12 }).chain((clients) =>
	fc.oneof(
		fc.constant<PartitionScheme>({ by: "modulo", clients }),
		fc.constant<PartitionScheme>({ by: "iid", clients }),
		fc
			.double({ min: 1e-6, max: 1e6, noNaN: true })
			.map((alpha): PartitionScheme => ({ by: "dirichlet", clients, alpha })),
	),
);

test("a partition: disjoint, complete, even, and the same for the same seed", () => {
	const cases = fc.record({
		scheme: schemes,
		extra: fc.integer({ min: 0, max: 60 }),
		numTasks: fc.integer({ min: 1, max: 4 }),
		seed: fc.nat(1000),
	});
	fc.assert(
		fc.property(cases, ({ scheme, extra, numTasks, seed }) => {
			const episodes = recorded(scheme.clients + extra, numTasks);
			const parts = partitionEpisodes(episodes, scheme, { seed });
			expect(parts.flat().sort((a, b) => a - b)).toEqual(episodes.map(({ index }) => index));
			const sizes = parts.map((part) => part.length);
			expect(parts).toHaveLength(scheme.clients);
			expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
			expect(partitionEpisodes(episodes.toReversed(), scheme, { seed })).toEqual(parts);
		}),
	);
});

/** Mean share of a client's most frequent task. */
function purity(alpha: number): number {
	const episodes = recorded(400, 4);
	const shares = [1, 2, 3, 4, 5].flatMap((seed) =>
		partitionEpisodes(episodes, { by: "dirichlet", clients: 10, alpha }, { seed }).map((part) => {
			const counts = TASKS.map((task) => part.filter((index) => episodes[index]?.tasks[0] === task).length);
			return Math.max(...counts) / part.length;
		}),
	);
	return shares.reduce((a, b) => a + b) / shares.length;
}

test("small alpha gives clients of nearly one task, large alpha the same mixture for all", () => {
	// Measured 0.71, 0.61, 0.42, 0.33: tasks of 100 episodes run out among ten clients of 40, which bounds the first.
	const [skewed = 0, one = 0, ten = 0, even = 0] = [0.01, 1, 10, 10_000].map(purity);
	expect(skewed).toBeGreaterThan(0.65);
	expect(one).toBeLessThan(skewed);
	expect(ten).toBeLessThan(0.5);
	expect(even).toBeLessThan(0.36);
});

test("modulo and several tasks per episode", () => {
	expect(partitionEpisodes(recorded(5, 1), { by: "modulo", clients: 2 }, { seed: 0 })).toEqual([
		[0, 2, 4],
		[1, 3],
	]);
	expect(taskOf({ tasks: ["push", "pull"] })).toBe("push + pull");
});

test("more clients than episodes, and parameters out of range, are refused", () => {
	const episodes = recorded(3, 1);
	expect(() => partitionEpisodes(episodes, { by: "iid", clients: 4 }, { seed: 0 })).toThrow(
		"3 episodes cannot be divided among 4 clients",
	);
	expect(() => partitionEpisodes(episodes, { by: "iid", clients: 0 }, { seed: 0 })).toThrow(RangeError);
	for (const alpha of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
		expect(() => partitionEpisodes(episodes, { by: "dirichlet", clients: 2, alpha }, { seed: 0 })).toThrow(
			RangeError,
		);
});
