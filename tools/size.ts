// Line counts per package against a budget, and the hard limit of 400 lines a file.
// A budget is raised only by a commit that says why.
import { readFileSync } from "node:fs";
import { sourceFiles } from "./source-files.ts";

const MAX_FILE_LINES = 400;
const BUDGET_LINES: Readonly<Record<string, number>> = {
	arrays: 1400,
	autodiff: 5200,
	dataset: 9000,
	flower: 6000,
	policy: 6500,
	sim: 2700,
	federation: 9700,
	finetune: 7500,
	cli: 21300,
	records: 3800,
	hub: 2000,
	doctor: 4500,
	monitor: 3000,
	dashboard: 7800,
};

const lines = new Map<string, number[]>();
const failures: string[] = [];
for (const { path, packageName } of sourceFiles()) {
	const count = readFileSync(path, "utf8").split("\n").length - 1;
	lines.set(packageName, [...(lines.get(packageName) ?? []), count]);
	if (count > MAX_FILE_LINES) failures.push(`${path}: ${count} lines, at most ${MAX_FILE_LINES}`);
}
for (const [packageName, counts] of lines) {
	const sorted = counts.sort((a, b) => a - b);
	const total = sorted.reduce((sum, count) => sum + count, 0);
	const budget = BUDGET_LINES[packageName] ?? 0;
	const median = sorted[sorted.length >> 1] ?? 0;
	console.log(
		`${packageName.padEnd(12)} ${total}/${budget} lines, median ${median}, longest ${sorted.at(-1) ?? 0}`,
	);
	if (total > budget) failures.push(`packages/${packageName}: ${total} lines, the budget is ${budget}`);
}
for (const failure of failures) console.error(failure);
process.exitCode = failures.length === 0 ? 0 : 1;
