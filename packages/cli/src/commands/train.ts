// `zk0 train <data>`: one site, no federation.
import { relative } from "node:path";
import { formatChange, formatDegrees, formatLoss } from "@zk0/records/format";
import { z } from "zod";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { pickRunOptions, resolveConfig } from "../config/resolve.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import type { Host } from "../host.ts";
import { renderFrame } from "../progress/frame.ts";
import { createPaint, wantsColour } from "../progress/paint.ts";
import { DATA_FORMS } from "../sources/data-forms.ts";
import { startTraining } from "../training/run-training.ts";
import type { SiteTrainingResult } from "../training/train-site.ts";

const { preset, camera, episodes, imageSize, codec, init, batchSize, microBatch, learningRate, warmupSteps } =
	RUN_OPTIONS;
const { loraRank, loraAlpha, loraFreezeA } = RUN_OPTIONS;
const { heldOut, evalFrames, sampledFrames, seed, threads, device, out } = RUN_OPTIONS;
const { cache, cacheBudget, cacheDtype } = RUN_OPTIONS;

const OPTIONS = {
	steps: {
		kind: "number",
		schema: z.int().min(1).max(10_000_000),
		value: "<n>",
		summary: "optimizer steps (default: as many as a site takes in the preset's federation)",
	},
	saveFreq: {
		kind: "number",
		schema: z.int().min(1).max(10_000_000),
		value: "<steps>",
		summary: "steps between two checkpoints, from which `zk0 runs resume` goes on (default: 500)",
	},
	keepCheckpoints: {
		...RUN_OPTIONS.keepCheckpoints,
		summary: "checkpoints to keep while training (default: 2)",
	},
	name: {
		kind: "text",
		schema: z.string().min(1),
		value: "<site>",
		summary: "name of the site, part of every random stream (default: site)",
	},
	preset,
	camera,
	episodes,
	imageSize,
	codec,
	init,
	batchSize,
	microBatch,
	learningRate,
	warmupSteps,
	loraRank,
	loraAlpha,
	loraFreezeA,
	heldOut,
	evalFrames,
	sampledFrames,
	seed,
	threads,
	device,
	cache,
	cacheBudget,
	cacheDtype,
	out,
} satisfies OptionTable;

/** The command. */
export const train = defineCommand({
	positionals: [{ name: "data", summary: DATA_FORMS }],
	options: OPTIONS,
	notes: [
		"Ends at the bits of a federation of this one site with FedAvg, one round and the same steps and seed. " +
			"After Ctrl-C or a crash `zk0 runs resume` goes on from the last checkpoint to the same bits.",
	],
	examples: ["zk0 train data/kitchen --init models/smolvla_base --preset full --steps 20000"],
	async run({ values, named, host, output }) {
		const startedMs = host.now();
		const { steps, name = "site", saveFreq = 500 } = values;
		const site = RUN_OPTIONS.data.schema.safeParse({ [name]: named["data"] });
		if (!site.success)
			throw new CliError(
				"bad-flag",
				`--name ${name}: ${site.error.issues[0]?.message ?? "not a site's name"}`,
			);
		const settings = { ...pickRunOptions(values), data: site.data, strategy: "fedavg" as const };
		const resolved = resolveConfig(settings, {});
		const { rounds, localSteps, keepCheckpoints } = resolved.config;
		const result = await startTraining(
			resolved,
			{ steps: steps ?? rounds * localSteps, saveFreq, keepCheckpoints: keepCheckpoints ?? 2 },
			{ host, output },
		);
		const seconds = (host.now() - startedMs) / 1000;
		output.result({ ...result, seconds }, () => renderTraining(result, host));
	},
});

/** The summary of a finished training, for people. */
export function renderTraining(result: SiteTrainingResult, host: Host): string {
	const paint = createPaint(wantsColour(host.stdout.isTTY, host.env));
	const { initialLoss, finalLoss, heldOut: figures } = result;
	return renderFrame(
		`${result.site}: ${result.steps} steps, ${result.samples} samples`,
		[
			{
				header: null,
				rows: [
					[
						"held-out loss",
						`${formatLoss(initialLoss)} → ${formatLoss(finalLoss)}  ${formatChange(initialLoss, finalLoss)}`,
					],
					["held-out error", formatDegrees(figures?.["jointErrorDeg"] ?? null)],
					["for a robot", relative(host.cwd, result.pretrainedModel)],
					["SHA-256", result.modelSha256],
				].map(([name = "", value = ""]) => [paint.dim(name), value]),
			},
		],
		paint,
	);
}
