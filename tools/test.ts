// `npm test`: vitest on the sources; prints the counts. Under CI or ZK0_REQUIRE_ALL=1, and with --coverage, which makes
// tests take a third longer, coverage is measured, that of worker threads and child processes (which run the built dist) too.
// Then its limit is enforced, and with ZK0_REQUIRE_ALL=1 a skipped test is a failure. Extra arguments go to vitest (then
// nothing is enforced).
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import { mergedLineCoverage } from "./merge-coverage.ts";

const MIN_LINE_PERCENT = 80;
const COVERAGE_DIR = resolve("coverage");
const CHILDREN_DIR = join(COVERAGE_DIR, "children");
const RESULTS_FILE = join(COVERAGE_DIR, "results.json");

const resultsSchema = z.object({
	numPassedTests: z.number(),
	numFailedTests: z.number(),
	numPendingTests: z.number(),
	numFailedTestSuites: z.number(),
	numTotalTests: z.number(),
});

rmSync(COVERAGE_DIR, { recursive: true, force: true });
mkdirSync(CHILDREN_DIR, { recursive: true });
const filters = process.argv.slice(2).filter((word) => word !== "--coverage");
const hasCoverage =
	process.env["CI"] === "true" ||
	process.env["ZK0_REQUIRE_ALL"] === "1" ||
	process.argv.includes("--coverage");
if (process.env["ZK0_FLWR"] === undefined)
	console.log("Left out: e2e/interop, which needs real Flower (set ZK0_FLWR; see docs/flower.md).");
if (process.env["ZK0_REQUIRE_ALL"] !== "1")
	console.log(
		"Left out: e2e/docs-run.all.ts, which runs every command of the documentation (set ZK0_REQUIRE_ALL=1).",
	);
const { status } = spawnSync(
	process.execPath,
	[
		"node_modules/vitest/vitest.mjs",
		"run",
		...(hasCoverage
			? [
					"--coverage.enabled",
					"--coverage.reporter=json",
					`--coverage.reportsDirectory=${join(COVERAGE_DIR, "vitest")}`,
				]
			: []),
		"--reporter=default",
		"--reporter=json",
		"--reporter=junit",
		`--outputFile.json=${RESULTS_FILE}`,
		`--outputFile.junit=${join(COVERAGE_DIR, "junit.xml")}`,
		...filters,
	],
	{
		stdio: "inherit",
		env: { ...process.env, ...(hasCoverage ? { ZK0_CHILD_COVERAGE_DIR: CHILDREN_DIR } : {}) },
	},
);
if (!existsSync(RESULTS_FILE)) {
	console.error("vitest wrote no results");
	process.exit(status ?? 1);
}
const results = resultsSchema.parse(JSON.parse(readFileSync(RESULTS_FILE, "utf8")));
const failures: string[] = [];
if (status !== 0) failures.push(`vitest ended with status ${status}`);
if (results.numTotalTests === 0) failures.push("no test ran");
if (filters.length === 0 && process.env["ZK0_REQUIRE_ALL"] === "1" && results.numPendingTests > 0) {
	failures.push(`${results.numPendingTests} test(s) were skipped although ZK0_REQUIRE_ALL=1`);
}
if (filters.length === 0 && status === 0 && hasCoverage) {
	const percent = await reportCoverage();
	if (percent < MIN_LINE_PERCENT)
		failures.push(`line coverage ${percent.toFixed(1)} % is below ${MIN_LINE_PERCENT} %`);
}
for (const failure of failures) console.error(`FAIL: ${failure}`);
const numFailed = Math.max(results.numFailedTests, failures.length);
console.log(`${results.numPassedTests} passed, ${numFailed} failed, ${results.numPendingTests} skipped`);
process.exitCode = failures.length === 0 ? 0 : 1;

async function reportCoverage(): Promise<number> {
	const rawFiles = readdirSync(CHILDREN_DIR).map((name) => join(CHILDREN_DIR, name));
	const { percent, perPackage } = await mergedLineCoverage(
		join(COVERAGE_DIR, "vitest", "coverage-final.json"),
		rawFiles,
	);
	writeFileSync(join(COVERAGE_DIR, "summary.json"), JSON.stringify({ percent, perPackage }, null, "\t"));
	for (const [name, packagePercent] of Object.entries(perPackage)) {
		console.log(`coverage ${name.padEnd(12)} ${packagePercent.toFixed(1)} % of lines`);
	}
	console.log(
		`coverage ${"all".padEnd(12)} ${percent.toFixed(1)} % of lines (${rawFiles.length} worker and child processes merged)`,
	);
	return percent;
}
