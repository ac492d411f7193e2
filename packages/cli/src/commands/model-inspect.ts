// `zk0 model inspect <checkpoint>`: what a checkpoint holds, and what keeps it from training or running.
import { type CheckpointReport, inspectCheckpoint, type PartReport } from "@zk0/policy";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { locateModel } from "../evaluation/open-policy.ts";
import { padVisible } from "../progress/paint.ts";

const MAX_NAMES = 5;

/** The command. */
export const modelInspect = defineCommand({
	positionals: [{ name: "checkpoint", summary: "a checkpoint's directory, or hf:<user>/<name>[@revision]" }],
	options: {},
	notes: [
		"It fails (exit code 5) when training or running cannot work: tensors, tokenizer or cameras are missing, or the " +
			"statistics do not cover every state and action key. A global model has no statistics by design; it passes " +
			"when it can be trained, and `zk0 model bind` makes it run.",
	],
	examples: [
		"zk0 model inspect hf:lerobot/smolvla_base",
		"zk0 model inspect runs/<id>/checkpoints/round_5/global",
		"zk0 model inspect models/smolvla --json",
	],
	async run({ named, host, output }) {
		const { directory, ...options } = await locateModel(named["checkpoint"] ?? "", host);
		const report = await inspectCheckpoint(directory, { ...options, hub: host });
		output.result(documentOf(report), () => render(report));
		const isUsable = report.kind === "global" ? report.canTrain : report.canRun;
		if (isUsable) return;
		const [first] = report.problems.toSorted((a, b) => rank(a.stops) - rank(b.stops));
		throw new CliError("model-unusable", first?.message ?? "the checkpoint cannot be used", {
			cure: report.canTrain
				? "it can be fine-tuned as it is, since a data set brings its own statistics"
				: "neither training nor running can use it",
		});
	},
});

function rank(stops: "training" | "running"): number {
	return stops === "training" ? 0 : 1;
}

interface Totals {
	readonly tensors: number;
	readonly parameters: number;
	readonly trainedTensors: number;
	readonly trainedParameters: number;
}

function totalOf(parts: readonly PartReport[]): Totals {
	const sum = (key: keyof Totals): number => parts.reduce((total, part) => total + part[key], 0);
	return {
		tensors: sum("tensors"),
		parameters: sum("parameters"),
		trainedTensors: sum("trainedTensors"),
		trainedParameters: sum("trainedParameters"),
	};
}

function documentOf(report: CheckpointReport): unknown {
	const { directory, config, ...rest } = report;
	return {
		checkpoint: directory,
		...totalOf(report.parts),
		...rest,
		backbone: config.vlm_model_name,
		inputFeatures: config.input_features,
		outputFeatures: config.output_features,
		chunkSize: config.chunk_size,
	};
}

function render(report: CheckpointReport): string {
	const { config, cameras, statistics, problems } = report;
	const vectors = [...Object.entries(config.input_features), ...Object.entries(config.output_features)]
		.filter(([, { type }]) => type !== "VISUAL")
		.map(([key, { shape }]) => `${key} [${shape.join(",")}]`);
	const kinds = { global: "global: no site's statistics", bound: "bound to a site", unknown: "not zk0's" };
	const facts: [string, string][] = [
		["checkpoint", report.directory],
		["kind", kinds[report.kind ?? "unknown"]],
		...adapterFacts(report.adapter),
		["backbone", config.vlm_model_name],
		["vectors", `${vectors.join(", ")}; chunks of ${config.chunk_size}`],
		["cameras", cameras.join(", ") || "none"],
		...Object.entries(report.renameMap).map(([from, to]): [string, string] => [
			"renamed",
			`${from} -> ${to}`,
		]),
		["tokenizer", report.tokenizerDir ?? "none"],
	];
	return [
		...facts.map(([name, text]) => `${name.padEnd(12)}${text}`),
		"",
		...renderParts(report.parts),
		"",
		...renderStatistics(statistics),
		...renderNames("missing", report.missing),
		...renderNames("unexpected", report.unexpected),
		...renderNames(
			"misshapen",
			report.misshapen.map(
				({ name, found, expected }) => `${name} [${found.join(",")}] instead of [${expected.join(",")}]`,
			),
		),
		"",
		`${"train".padEnd(12)}${report.canTrain ? "yes" : "no"}`,
		`${"run".padEnd(12)}${report.canRun ? "yes" : "no"}`,
		...problems.map(({ message }) => `  ${message}`),
	].join("\n");
}

function adapterFacts(adapter: CheckpointReport["adapter"]): [string, string][] {
	if (adapter === null) return [];
	const { rank, alpha, modules, savedModules, trains, base } = adapter;
	const saved = savedModules.length === 0 ? "" : `, and ${savedModules.join(", ")} as a whole`;
	const factors = trains === "B" ? ", of which only B is trained" : "";
	return [
		["adapter", `LoRA of rank ${rank}, alpha ${alpha}, on ${modules.length} modules${saved}${factors}`],
		["base", base.revision === null ? base.name : `${base.name}@${base.revision}`],
	];
}

function renderParts(parts: readonly PartReport[]): string[] {
	const count = (value: number): string => value.toLocaleString("en");
	const rows = [...parts, { part: "all", dtypes: {}, ...totalOf(parts) }].map((part) => [
		part.part,
		count(part.tensors),
		count(part.parameters),
		count(part.trainedParameters),
		count(part.parameters - part.trainedParameters),
		Object.entries(part.dtypes)
			.map(([dtype, tensors]) => `${dtype} ${tensors}`)
			.join(", "),
	]);
	const table = [["part", "tensors", "parameters", "trained", "frozen", "dtypes"], ...rows];
	const widths =
		table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
	return table.map((row) =>
		row
			.map((cell, column) =>
				padVisible(cell, widths[column] ?? 0, column === 0 || column === 5 ? "left" : "right"),
			)
			.join("  ")
			.trimEnd(),
	);
}

function renderStatistics({ from, features, prefixed }: CheckpointReport["statistics"]): string[] {
	const sources = {
		processors: "in the processor files",
		weights: "among the weights (LeRobot 0.3 and older)",
		none: "none",
	};
	return [
		`${"statistics".padEnd(12)}${sources[from]}`,
		...features.map(({ key, mode, present, missing }) => {
			const parts = [
				...(present.length > 0 ? [`has ${present.join(", ")}`] : []),
				...(missing.length > 0 ? [`lacks ${missing.join(", ")}`] : []),
			];
			return `  ${key}: ${mode}${parts.map((part) => `, ${part}`).join("")}`;
		}),
		...(prefixed.length > 0 ? [`  under another name, read by nothing: ${prefixed.join(", ")}`] : []),
	];
}

function renderNames(title: string, names: readonly string[]): string[] {
	if (names.length === 0) return [];
	const more = names.length > MAX_NAMES ? [`  and ${names.length - MAX_NAMES} more`] : [];
	return [
		`${title.padEnd(12)}${names.length} tensors`,
		...names.slice(0, MAX_NAMES).map((name) => `  ${name}`),
		...more,
	];
}
