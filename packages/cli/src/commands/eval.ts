// `zk0 eval <checkpoint> <dataset>` and `zk0 eval <checkpoint> sim:<task>`.
import { chooseDevice } from "@zk0/autodiff/node";
import type { SuccessRate } from "@zk0/finetune";
import type { Checkpoint } from "@zk0/policy";
import { formatLoss } from "@zk0/records/format";
import { isSimUri, parseSimUri, type SimSource } from "@zk0/sim";
import { z } from "zod";
import { flagOf, type OptionTable, type OptionValues } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand, type Invocation } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { type DatasetEvaluation, evaluateOnDataset } from "../evaluation/dataset-evaluation.ts";
import { openBoundModel } from "../evaluation/open-policy.ts";
import { simulatedSize } from "../evaluation/recorded-frames.ts";
import { evaluateInSim, type SimEvaluation } from "../evaluation/sim-evaluation.ts";
import { renderFrame } from "../progress/frame.ts";
import { createPaint, wantsColour } from "../progress/paint.ts";
import { DATA_FORMS } from "../sources/data-forms.ts";
import { openData } from "../sources/locate-data.ts";

const OPTIONS = {
	episodes: {
		kind: "number",
		schema: z.int().min(1).max(100_000),
		value: "<n>",
		summary: "sim: episodes per task for each of policy, random and scripted arm (default: 20)",
	},
	frames: {
		kind: "number",
		schema: z.int().min(1).max(1_000_000),
		value: "<n>",
		summary: "dataset: most frames to evaluate, spread evenly (default: 64)",
	},
	heldOut: {
		...RUN_OPTIONS.heldOut,
		summary: "dataset: episodes that count as held out, a fraction or a list (default: 0.2)",
	},
	allEpisodes: {
		kind: "switch",
		schema: z.boolean(),
		summary: "dataset: use every episode, not only held-out ones",
	},
	seed: {
		...RUN_OPTIONS.seed,
		summary: "noise and scenes, and which episodes are held out (default: 42, as for simulate)",
	},
	threads: { ...RUN_OPTIONS.threads, summary: "compute threads (default: 1)" },
	device: { ...RUN_OPTIONS.device, summary: "what computes: cpu (the default), webgpu, cuda or auto" },
} satisfies OptionTable;

type Values = OptionValues<typeof OPTIONS>;

/** The command. */
export const evaluate = defineCommand({
	positionals: [
		{
			name: "checkpoint",
			summary: "a checkpoint that is bound to a site: its directory, or hf:<user>/<name>",
		},
		{ name: "data", summary: DATA_FORMS },
	],
	options: OPTIONS,
	notes: [
		"Success is given with its 95 % Wilson interval, beside an arm that wanders and the scripted one in the same " +
			"episodes. Errors are in degrees, grippers in percent of their opening.",
	],
	examples: [
		"zk0 eval runs/<id>/checkpoints/round_5/sites/site-a/pretrained_model sim:site-a --episodes 20",
		"zk0 eval outputs/train/checkpoints/last/pretrained_model data/kitchen",
	],
	async run(invocation) {
		const { values, named, host } = invocation;
		const data = named["data"] ?? "";
		if (isSimUri(data)) {
			parseSimUri(data);
			refuse(values, ["frames", "heldOut", "allEpisodes"], "a simulated task");
		} else refuse(values, values.allEpisodes === true ? ["episodes", "heldOut"] : ["episodes"], "these data");
		using checkpoint = await openBoundModel(named["checkpoint"] ?? "", host);
		await (isSimUri(data)
			? runInSim(checkpoint, data, invocation)
			: runOnDataset(checkpoint, data, invocation));
	},
});

type Context = Pick<Invocation<typeof OPTIONS>, "values" | "host" | "output">;

async function runOnDataset(
	checkpoint: Checkpoint,
	data: string,
	{ values, host, output }: Context,
): Promise<void> {
	const startedMs = host.now();
	const { device } = await chooseDevice(values.device ?? "cpu", { signal: host.signal });
	const dataset = await openData(data, { host, output });
	const found = await evaluateOnDataset(checkpoint, {
		dataset,
		heldOut: values.allEpisodes === true ? null : (values.heldOut ?? 0.2),
		seed: values.seed ?? 42,
		numFrames: values.frames ?? 64,
		threads: values.threads ?? 1,
		device,
		onFrames: () => undefined,
		signal: host.signal,
	});
	const seconds = (host.now() - startedMs) / 1000;
	const paint = createPaint(wantsColour(host.stdout.isTTY, host.env));
	output.result({ checkpoint: checkpoint.directory, dataset: dataset.root, ...found, seconds }, () =>
		renderDatasetFrame(found, paint),
	);
}

function renderDatasetFrame(found: DatasetEvaluation, paint: ReturnType<typeof createPaint>): string {
	const show = (value: number | null, unit: "deg" | "percent"): string =>
		value === null ? "–" : `${value.toFixed(1)}${unit === "deg" ? "°" : " %"}`;
	const rows = found.joints.map(({ name, unit, error, holdPose, meanAction }) => {
		const shown = show(error, unit);
		return [
			name,
			error < Math.min(holdPose, meanAction) ? paint.good(shown) : shown,
			show(holdPose, unit),
			show(meanAction, unit),
		];
	});
	const { jointErrorDeg, holdPoseErrorDeg, meanActionErrorDeg } = found;
	const mean = [jointErrorDeg, holdPoseErrorDeg, meanActionErrorDeg].map((value) => show(value, "deg"));
	return renderFrame(
		`${found.frames} frames of ${found.episodes} episodes, loss ${formatLoss(found.loss)}`,
		[
			{
				header: ["joint", "policy", "hold pose", "mean action"],
				rows: [...rows, ["mean of degrees", ...mean]],
				align: ["left", "right", "right", "right"],
			},
		],
		paint,
	);
}

async function runInSim(
	checkpoint: Checkpoint,
	uri: string,
	{ values, host, output }: Context,
): Promise<void> {
	const startedMs = host.now();
	const { device } = await chooseDevice(values.device ?? "cpu", { signal: host.signal });
	const source = simSourceFor(uri, checkpoint);
	const found = await evaluateInSim(checkpoint, {
		source,
		episodes: values.episodes ?? 20,
		seed: values.seed ?? 42,
		threads: values.threads ?? 1,
		device,
		onEpisode: (task, actor, numDone) => {
			if (numDone === (values.episodes ?? 20)) output.line(`${task}: ${actor} done`);
		},
		signal: host.signal,
	});
	const seconds = (host.now() - startedMs) / 1000;
	const paint = createPaint(wantsColour(host.stdout.isTTY, host.env));
	output.result({ checkpoint: checkpoint.directory, ...found, seconds }, () => renderSimFrame(found, paint));
}

/** The URI's world; pictures have the policy's own shape where it does not say. */
function simSourceFor(uri: string, { config }: Checkpoint): SimSource {
	const source = parseSimUri(uri);
	if (new URLSearchParams(uri.split("?", 2)[1] ?? "").has("size")) return source;
	const [height, width] = simulatedSize(config);
	return { ...source, image: { height, width } };
}

function renderSimFrame(found: SimEvaluation, paint: ReturnType<typeof createPaint>): string {
	const percent = (share: number): string => `${Math.round(100 * share)}`;
	const show = ({ rate, low, high }: SuccessRate): string =>
		`${percent(rate)} % (${percent(low)}–${percent(high)})`;
	const rows = found.tasks.map(({ sentence, policy, random, scripted }) => [
		sentence,
		policy.low > random.high ? paint.good(show(policy)) : show(policy),
		show(random),
		show(scripted),
	]);
	if (rows.length > 1) rows.push(["all", show(found.policy), show(found.random), show(found.scripted)]);
	const episodes = found.tasks[0]?.policy.episodes ?? 0;
	return renderFrame(
		`success in ${episodes} episodes per task, 95 % interval`,
		[{ header: ["task", "policy", "random", "scripted"], rows, align: ["left", "right", "right", "right"] }],
		paint,
	);
}

/** Flags that mean nothing here are an error, not silence. */
function refuse(values: Values, keys: readonly (keyof Values)[], where: string): void {
	const given = keys.find((key) => values[key] !== undefined);
	if (given === undefined) return;
	throw new CliError("bad-flag", `${flagOf(given)} has no meaning with ${where}`, { cure: "leave it out" });
}
