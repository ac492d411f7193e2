// `zk0 predict <checkpoint> <dataset> --episode <n>`: predicted against recorded actions of one episode, open loop.
import { mkdir } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { writeFileAtomic } from "@zk0/arrays/node";
import { chooseDevice } from "@zk0/autodiff/node";
import { chunkTime, formatJoint, renderPredictionPage, renderPredictionSvg } from "@zk0/records/report";
import { isSimUri } from "@zk0/sim";
import { z } from "zod";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { type EpisodePrediction, predictOnDataset } from "../evaluation/episode-prediction.ts";
import { openBoundModel } from "../evaluation/open-policy.ts";
import { simulatedSize } from "../evaluation/recorded-frames.ts";
import { renderFrame } from "../progress/frame.ts";
import { createPaint, wantsColour } from "../progress/paint.ts";
import { planSites } from "../simulation/site-plans.ts";
import { openData } from "../sources/locate-data.ts";

const OPTIONS = {
	episode: {
		kind: "number",
		schema: z.int().min(0).max(1_000_000),
		value: "<n>",
		summary: "which episode, counted from 0",
	},
	every: {
		kind: "number",
		schema: z.int().min(1).max(100_000),
		value: "<n>",
		summary: "frames from one chunk to the next (default: the policy's n_action_steps)",
	},
	rtc: {
		kind: "number",
		schema: z.int().min(0).max(100_000),
		value: "<delay>",
		summary:
			"real-time chunking: the rest of each chunk guides the next one, whose first <delay> actions come too late; " +
			"needs --every below the chunk size",
	},
	seed: {
		...RUN_OPTIONS.seed,
		summary: "noise, and the recording of a sim: URI without a seed (default: 42)",
	},
	threads: { ...RUN_OPTIONS.threads, summary: "compute threads (default: 1)" },
	device: { ...RUN_OPTIONS.device, summary: "what computes: cpu (the default), webgpu, cuda or auto" },
	out: {
		kind: "text",
		schema: z.string().min(1),
		value: "<dir>",
		summary: "where episode_<n>.json, .svg and .html are written, over older ones (default: predictions)",
	},
} satisfies OptionTable;

/** The command. */
export const predict = defineCommand({
	positionals: [
		{
			name: "checkpoint",
			summary: "a checkpoint that is bound to a site: its directory, or hf:<user>/<name>",
		},
		{ name: "data", summary: "recordings: a LeRobot dataset's directory, hf:<user>/<name>, or sim:<task>" },
	],
	options: OPTIONS,
	notes: [
		"Open loop: every few frames the policy sees what was recorded and plans a chunk, and what it plans changes " +
			"nothing that it sees. That measures imitation; whether a task is solved is measured by `zk0 eval` with sim:<task>.",
		"Angles are in degrees, grippers in percent of their opening.",
	],
	examples: [
		"zk0 predict models/kitchen data/kitchen --episode 3",
		"zk0 predict models/kitchen data/kitchen --episode 3 --every 10 --rtc 2 --out figures",
	],
	async run({ values, named, host, output }) {
		const startedMs = host.now();
		const { episode, seed = 42 } = values;
		if (episode === undefined) {
			throw new CliError("missing-argument", "missing --episode <n>: which episode to predict", {
				cure: "see `zk0 help predict`",
			});
		}
		using checkpoint = await openBoundModel(named["checkpoint"] ?? "", host);
		const uri = named["data"] ?? "";
		const settings = { sites: 1, episodes: episode + 1, imageSize: simulatedSize(checkpoint.config), seed };
		const [plan] = isSimUri(uri) ? planSites({ ...settings, data: { data: uri } }) : [];
		const dataset = await openData(plan?.uri ?? uri, { host, output });
		const { device } = await chooseDevice(values.device ?? "cpu", { signal: host.signal });
		const prediction = await predictOnDataset(checkpoint, {
			dataset,
			episode,
			every: values.every,
			rtcDelay: values.rtc,
			seed,
			threads: values.threads ?? 1,
			device,
			onFrames: (numDone, numFrames) => output.line(`${numDone} of ${numFrames} frames`),
			signal: host.signal,
		});
		const files = await writeFiles(prediction, resolve(host.cwd, values.out ?? "predictions"));
		const seconds = (host.now() - startedMs) / 1000;
		const paint = createPaint(wantsColour(host.stdout.isTTY, host.env));
		output.result(documentOf(prediction, { ...files, seconds }), () =>
			render(prediction, files, paint, host.cwd),
		);
	},
});

interface Files {
	readonly json: string;
	readonly svg: string;
	readonly html: string;
}

async function writeFiles(prediction: EpisodePrediction, dir: string): Promise<Files> {
	await mkdir(dir, { recursive: true });
	const path = (ending: string): string => join(dir, `episode_${prediction.episode}.${ending}`);
	const files = { json: path("json"), svg: path("svg"), html: path("html") };
	await writeFileAtomic(files.json, `${JSON.stringify(prediction, undefined, "\t")}\n`);
	await writeFileAtomic(files.svg, renderPredictionSvg(prediction));
	await writeFileAtomic(files.html, renderPredictionPage(prediction));
	return files;
}

/** What `--json` prints: the written document without the values of the frames, and where they are. */
function documentOf(
	{ joints, ...prediction }: EpisodePrediction,
	more: Files & { readonly seconds: number },
): unknown {
	const figures = joints.map(({ name, unit, error, holdPose }) => ({ name, unit, error, holdPose }));
	return { ...prediction, joints: figures, ...more };
}

function render(
	prediction: EpisodePrediction,
	files: Files,
	paint: ReturnType<typeof createPaint>,
	cwd: string,
): string {
	const { joints, jointErrorDeg, holdPoseErrorDeg, episode, frames, chunks } = prediction;
	const rows = joints.map(({ name, unit, error, holdPose }) => {
		const shown = formatJoint(error, unit);
		return [
			name,
			holdPose !== null && error < holdPose ? paint.good(shown) : shown,
			formatJoint(holdPose, unit),
		];
	});
	if (jointErrorDeg !== null && holdPoseErrorDeg !== null) {
		rows.push(["mean of degrees", formatJoint(jointErrorDeg, "deg"), formatJoint(holdPoseErrorDeg, "deg")]);
	}
	return renderFrame(
		`episode ${episode}: ${frames} frames, ${chunks.length} chunks`,
		[
			{ header: ["joint", "policy", "hold pose"], rows, align: ["left", "right", "right"] },
			{
				header: null,
				rows: [
					[paint.dim("time"), chunkTime(prediction)],
					[paint.dim("picture"), relative(cwd, files.svg)],
					[paint.dim("page"), relative(cwd, files.html)],
					[paint.dim("values"), relative(cwd, files.json)],
				],
			},
		],
		paint,
	);
}
