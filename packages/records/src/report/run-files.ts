// The files that people and programs read about a run, all made from its log: metrics.json, loss.svg, report.html.
// They are written again after every round, so a run that was killed has them too.
import { readFile } from "node:fs/promises";
import { codeOf } from "@zk0/arrays";
import { writeFileAtomic } from "@zk0/arrays/node";
import type { RoundEvent } from "@zk0/federation";
import { z } from "zod";
import type { RunPaths } from "../run-directory/paths.ts";
import type { RunRecord } from "../run-directory/run-record.ts";
import { type RunSummary, summarizeRun } from "../run-directory/run-summary.ts";
import type { Check } from "../verification/verify-run.ts";
import { renderReport } from "./html-report.ts";
import { renderLossSvg } from "./loss-chart.ts";
import { type Preview, previewSchema } from "./preview.ts";
import { privacyOf, siteTrust } from "./site-trust.ts";

/** What the files are made of. */
export interface RunFilesInput {
	readonly paths: RunPaths;
	readonly record: RunRecord;
	readonly events: readonly RoundEvent[];
	/** SHA-256 of the last round's global model, or null before there is one. */
	readonly modelSha256: string | null;
	/** What a verification found, for the report; default: none was made. */
	readonly checks?: readonly Check[];
}

/** Writes the files and returns the summary that they show. */
export async function writeRunFiles({
	paths,
	record,
	events,
	modelSha256,
	checks,
}: RunFilesInput): Promise<RunSummary> {
	const run = summarizeRun(events);
	await writeFileAtomic(paths.metrics, `${JSON.stringify({ ...run, modelSha256 }, undefined, "\t")}\n`);
	const chart = renderLossSvg(run);
	if (chart !== null) await writeFileAtomic(paths.lossChart, chart);
	const report = renderReport({
		run,
		previews: await readPreviews(paths.previews),
		settings: settingsOf(record),
		modelSha256,
		trust: siteTrust(events),
		privacy: privacyOf(events),
		environment: environmentOf(record),
		checks: checks ?? null,
	});
	await writeFileAtomic(paths.report, report);
	return run;
}

async function readPreviews(path: string): Promise<Preview[]> {
	try {
		return z.array(previewSchema).parse(JSON.parse(await readFile(path, "utf8")));
	} catch (error) {
		if (codeOf(error) === "ENOENT") return [];
		throw error;
	}
}

/** Settings as the report lists them. */
function settingsOf({ config, sources, sites, learning, machine, initial }: RunRecord): [string, string][] {
	const show = (value: unknown): string => {
		if (value === "bfloat16") return "bfloat16: results are not exact";
		return typeof value === "string" ? value : JSON.stringify(value);
	};
	return [
		...Object.entries(config).map(([key, value]): [string, string] => {
			const source = sources[key];
			return [key, `${show(value)}${source === undefined || source === "preset" ? "" : ` (${source})`}`];
		}),
		...sites.map(({ name, uri }): [string, string] => [`site ${name}`, uri]),
		["start", `${initial.from}, SHA-256 ${initial.modelSha256}`],
		["learning", show(learning)],
		...Object.entries(machine).map(([key, value]): [string, string] => [`machine ${key}`, show(value)]),
	];
}

function environmentOf({ machine, createdAt, initial, sites }: RunRecord): [string, string][] {
	const { zk0, node, platform, cpu, cores, threads, device, concurrency } = machine;
	return [
		["zk0", zk0],
		["Node", node],
		["system", `${platform}, ${cpu}, ${cores} cores`],
		["computing", `${device}, ${threads} threads, ${concurrency} sites at a time`],
		["begun", createdAt.slice(0, 19).replace("T", " ")],
		["start", `${initial.from}, SHA-256 ${initial.modelSha256}`],
		...sites.map(({ name, uri, fingerprint }): [string, string] => [
			`data of ${name}`,
			`${uri}, fingerprint ${fingerprint}`,
		]),
	];
}
