// `zk0 train <data>`: one site, no federation.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { openCheckpoint } from "@zk0/policy";
import { z } from "zod";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { pickRunOptions, resolveConfig } from "../config/resolve.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { formatChange, formatDegrees, formatLoss } from "../progress/format.ts";
import { renderFrame } from "../progress/frame.ts";
import { createPaint, wantsColour } from "../progress/paint.ts";
import { createReporter } from "../progress/reporter.ts";
import { cacheDirectory } from "../recordings/recording-cache.ts";
import { learningOf, machineChoices } from "../simulation/federation-options.ts";
import { openSites } from "../simulation/open-sites.ts";
import { newRunId } from "../simulation/run-simulation.ts";
import { locatePlans, planSites } from "../simulation/site-plans.ts";
import { writeStartCheckpoint } from "../simulation/start-model.ts";
import { type SiteTrainingResult, trainSite } from "../simulation/train-site.ts";
import { DATA_FORMS } from "../sources/data-uri.ts";

const { preset, camera, episodes, imageSize, codec, init, batchSize, learningRate, warmupSteps } =
	RUN_OPTIONS;
const { loraRank, loraAlpha, loraFreezeA } = RUN_OPTIONS;
const { heldOut, evalFrames, sampledFrames, seed, threads, device, out } = RUN_OPTIONS;

const OPTIONS = {
	steps: {
		kind: "number",
		schema: z.int().min(1).max(10_000_000),
		value: "<n>",
		summary: "optimizer steps (default: as many as a site takes in the preset's federation)",
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
	out,
} satisfies OptionTable;

/** The command. */
export const train = defineCommand({
	path: ["train"],
	summary: "Fine-tune on one site's data, without a federation.",
	positionals: [{ name: "data", summary: DATA_FORMS }],
	options: OPTIONS,
	notes: [
		"Ends at the bits of a federation of this one site with FedAvg, one round and the same steps and seed.",
	],
	examples: ["zk0 train data/kitchen --init models/smolvla_base --preset full --steps 20000"],
	async run({ values, named, host, output }) {
		const startedMs = host.now();
		const { steps, name = "site" } = values;
		const site = RUN_OPTIONS.data.schema.safeParse({ [name]: named["data"] });
		if (!site.success)
			throw new CliError(
				"bad-flag",
				`--name ${name}: ${site.error.issues[0]?.message ?? "not a site's name"}`,
			);
		const settings = { ...pickRunOptions(values), data: site.data, strategy: "fedavg" as const };
		const { config } = resolveConfig(settings, {});
		const numSteps = steps ?? config.rounds * config.localSteps;
		const plans = await locatePlans(planSites(config), { host, output });
		const scratch = await mkdtemp(join(tmpdir(), "zk0-train-"));
		try {
			await writeStartCheckpoint(join(scratch, "start"), config, host);
			using base = await openCheckpoint(join(scratch, "start"), { hub: host });
			using reporter = createReporter({ stream: output.people, host, sites: [name], rounds: 1 });
			const options = {
				config,
				policy: base,
				cacheDir: cacheDirectory(host.env),
				reporter,
				signal: host.signal,
			};
			await using opened = await openSites(plans, options);
			const [first] = opened.sites;
			if (first === undefined) throw new RangeError("train: no site was opened");
			const choices = await machineChoices(config, { signal: host.signal });
			const result = await trainSite({
				dir: join(resolve(host.cwd, config.out), `train-${newRunId(host)}`),
				base,
				site: first.site,
				learning: learningOf(config, base.config),
				numSteps,
				seed: config.seed,
				threads: choices.threads,
				device: choices.device,
				reporter,
				signal: host.signal,
			});
			reporter[Symbol.dispose]();
			const seconds = (host.now() - startedMs) / 1000;
			const paint = createPaint(wantsColour(host.stdout.isTTY, host.env));
			output.result({ ...result, seconds }, () => renderTraining(result, paint, host.cwd));
		} finally {
			await rm(scratch, { recursive: true, force: true });
		}
	},
});

function renderTraining(
	result: SiteTrainingResult,
	paint: ReturnType<typeof createPaint>,
	cwd: string,
): string {
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
					["for a robot", relative(cwd, result.pretrainedModel)],
					["SHA-256", result.modelSha256],
				].map(([name = "", value = ""]) => [paint.dim(name), value]),
			},
		],
		paint,
	);
}
