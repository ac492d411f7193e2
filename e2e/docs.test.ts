// What the documentation shows is so: every command in it parses, every script and linked file exists, and the strategy of
// the tutorial is the one in examples/, which holds the contract.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { COMMANDS } from "@zk0/cli";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { fedAvgM } from "../examples/fedavgm.ts";
import { describeStrategy } from "../packages/federation/src/strategies.contract.ts";
import { asZk0, PAGES, ROOT, read, shellLines } from "./doc-pages.ts";

function wordsOf(line: string): string[] {
	return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
		([, double, single, plain]) => double ?? single ?? plain ?? "",
	);
}

const SHOWN = PAGES.flatMap((page) =>
	shellLines(page)
		.map(asZk0)
		.filter((line) => line.startsWith("zk0 "))
		.map((line) => [page, line] as const),
);

describe("commands in the documentation", () => {
	test("are there", () => {
		expect(SHOWN.length).toBeGreaterThan(40);
	});

	test.each(SHOWN)("%s: %s", async (_, line) => {
		const words = wordsOf(line.split(/ [|>] /)[0] ?? "").slice(1);
		if (words[0] === "help" || words[0] === "--version") return;
		const entries = COMMANDS.filter(({ path }) => path.every((word, index) => words[index] === word));
		const entry = entries.sort((a, b) => b.path.length - a.path.length)[0];
		expect(entry, `there is no command ${words.slice(0, 2).join(" ")}`).toBeDefined();
		if (entry === undefined) return;
		(await entry.load()).check(words.slice(entry.path.length), entry.path);
	});

	test("npm scripts are there", () => {
		const manifest = z
			.object({ scripts: z.record(z.string(), z.string()) })
			.parse(JSON.parse(read("package.json")));
		const scripts = PAGES.flatMap((page) => [...read(page).matchAll(/npm run (?:--silent )?([\w:-]+)/g)]).map(
			([, name]) => name,
		);
		expect(scripts.filter((name) => name !== undefined && manifest.scripts[name] === undefined)).toEqual([]);
	});
});

test("links within the documentation lead somewhere", () => {
	const dead = PAGES.flatMap((page) =>
		[...read(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
			.map(([, target = ""]) => target)
			.filter((target) => !existsSync(join(ROOT, dirname(page), target)))
			.map((target) => `${page}: ${target}`),
	);
	expect(dead).toEqual([]);
});

describe("the tutorial's strategy", () => {
	test("is the one in examples/", () => {
		const [, shown] = /```ts\n([^]*?)```/.exec(read("docs/tutorials/add-a-strategy.md")) ?? [];
		expect(shown).toBe(read("examples/fedavgm.ts").split("\n").slice(2).join("\n"));
	});

	test("takes a second step with momentum", () => {
		const { serverStep } = fedAvgM({ beta: 0.5 }).aggregate(null, [{ site: "a", numSamples: 1 }]);
		const velocity = new Float32Array([0]);
		const mean = new Float32Array([0.75]);
		serverStep?.apply(mean, new Float32Array([1]), [velocity]);
		expect([...mean, ...velocity]).toEqual([0.75, 0.25]);
		mean[0] = 0.5;
		serverStep?.apply(mean, new Float32Array([0.75]), [velocity]);
		expect([...mean, ...velocity]).toEqual([0.375, 0.375]);
	});

	describeStrategy("FedAvgM", () => fedAvgM({ beta: 0.9 }));
});
