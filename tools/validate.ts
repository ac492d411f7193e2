// `npm run validate [-- --bench aggregate,step,reader]`: runs the tests, the golden checks and the benchmarks,
// and writes one dated report (HTML and JSON, with commit and machine) under reports/.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";

const { values } = parseArgs({ options: { bench: { type: "string", default: "aggregate,step,reader" } } });

/** One command of the validation and what it ended with. */
interface Step {
	readonly name: string;
	readonly command: string;
	readonly exitCode: number;
	readonly seconds: number;
	readonly outputTail: string;
	/** The JSON document on the last line of stdout, when the command prints one. */
	readonly result: unknown;
}

function runStep(name: string, npmArguments: readonly string[]): Step {
	const startedMs = performance.now();
	const { status, stdout, stderr } = spawnSync("npm", ["run", "--silent", ...npmArguments], {
		encoding: "utf8",
		maxBuffer: 1 << 28,
	});
	const lines = stdout.trimEnd().split("\n");
	const tail = [...lines.slice(-40), ...(status === 0 ? [] : stderr.split("\n").slice(-40))].join("\n");
	return {
		name,
		command: `npm run ${npmArguments.join(" ")}`,
		exitCode: status ?? 1,
		seconds: Math.round((performance.now() - startedMs) / 100) / 10,
		outputTail: tail,
		result: parseJson(lines.at(-1) ?? ""),
	};
}

function parseJson(text: string): unknown {
	if (!/^[[{]/.test(text)) return null;
	try {
		return JSON.parse(text);
	} catch {
		return null; // the command's last line is text; the tail shows it
	}
}

function git(...args: string[]): string {
	return spawnSync("git", args, { encoding: "utf8" }).stdout.trim();
}

const escapeHtml = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

const summarySchema = z.object({ percent: z.number(), perPackage: z.record(z.string(), z.number()) });
const countsSchema = z.object({
	numPassedTests: z.number(),
	numFailedTests: z.number(),
	numPendingTests: z.number(),
});

const date = new Date().toISOString();
const commit = git("rev-parse", "HEAD");
const steps = [
	runStep("tests", ["test", "--", "--coverage"]),
	runStep("golden", ["golden", "--", "golden/smolvla-a"]),
	...values.bench.split(",").map((name) => runStep(`bench ${name}`, ["bench", "--", name, "--json"])),
];
const report = {
	date,
	commit,
	isTreeClean: git("status", "--porcelain") === "",
	machine: {
		cpu: cpus()[0]?.model ?? null,
		cores: cpus().length,
		memoryBytes: totalmem(),
		node: process.version,
	},
	tests: countsSchema.parse(JSON.parse(readFileSync("coverage/results.json", "utf8"))),
	coverage: summarySchema.parse(JSON.parse(readFileSync("coverage/summary.json", "utf8"))),
	junitXml: readFileSync("coverage/junit.xml", "utf8"),
	steps,
};

const directory = join("reports", `${date.slice(0, 19).replaceAll(":", "")}-${commit.slice(0, 10)}`);
mkdirSync(directory, { recursive: true });
writeFileSync(join(directory, "report.json"), JSON.stringify(report, null, "\t"));
writeFileSync(join(directory, "junit.xml"), report.junitXml);
writeFileSync(join(directory, "report.html"), renderHtml());
console.log(join(directory, "report.html"));
process.exitCode = steps.every((step) => step.exitCode === 0) ? 0 : 1;

function renderHtml(): string {
	const { machine, tests, coverage } = report;
	const coverageRows = Object.entries(coverage.perPackage)
		.map(([name, percent]) => `<tr><td>${name}<td class=n>${percent.toFixed(1)} %`)
		.join("");
	const sections = steps
		.map(
			(step) =>
				`<h2>${step.exitCode === 0 ? "passed" : "FAILED"}: ${step.name} <small>${step.seconds} s</small></h2>` +
				`<p><code>${escapeHtml(step.command)}</code></p>` +
				(step.result === null ? "" : `<pre>${escapeHtml(JSON.stringify(step.result, null, 2))}</pre>`) +
				`<details><summary>end of the output</summary><pre>${escapeHtml(step.outputTail)}</pre></details>`,
		)
		.join("");
	return `<!doctype html><html lang=en><meta charset=utf-8><title>zk0 validation ${date}</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
table{border-collapse:collapse}td{padding:.15rem .8rem .15rem 0}.n{text-align:right}
pre{overflow:auto;padding:.8rem;border:1px solid #8886;border-radius:6px;font-size:13px}</style>
<h1>zk0 validation</h1><table><tr><td>date<td>${date}<tr><td>commit<td>${commit}${report.isTreeClean ? "" : " (with local changes)"}
<tr><td>machine<td>${machine.cpu ?? "unknown"}, ${machine.cores} cores, ${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB, Node ${machine.node}
<tr><td>tests<td>${tests.numPassedTests} passed, ${tests.numFailedTests} failed, ${tests.numPendingTests} skipped
<tr><td>line coverage<td>${coverage.percent.toFixed(1)} %</table><h2>Coverage</h2><table>${coverageRows}</table>${sections}</html>`;
}
