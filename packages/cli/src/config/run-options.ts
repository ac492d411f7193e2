// Every setting of a federated run: one row each. A row is a flag of `zk0 simulate`, a key of zk0.json and a key of
// the resolved config.json of a run; nothing else may appear in those three places.
import { z } from "zod";
import { parseEpisodeList } from "../arguments/episode-list.ts";
import type { OptionTable } from "../arguments/option.ts";
import { partitionText } from "../simulation/partition-scheme.ts";
import { DATA_FORMS } from "../sources/data-forms.ts";

const SITE_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/i;

/** Upper bounds that catch slips of the keyboard before they cost an hour or fill a disk. */
const MAX_SITES = 1000;
const MAX_ROUNDS = 100_000;
const MAX_STEPS = 10_000_000;
const MAX_SECONDS = 30 * 24 * 3600;

/** What the video encoders and the simulator's renderer take. */
const MIN_SIDE = 64;
const MAX_SIDE = 1920;

/** `[height, width]` in pixels from `96`, or from `480x640`. */
const imageSize = z
	.union([z.number(), z.string(), z.tuple([z.number(), z.number()])])
	.transform((value, context): readonly [number, number] => {
		const sides = Array.isArray(value) ? value : String(value).split("x").map(Number);
		const [height, width = height] = sides;
		const isSide = (side = 0): boolean => Number.isInteger(side / 2) && side >= MIN_SIDE && side <= MAX_SIDE;
		const whole = isSide(height) && isSide(width);
		if (!whole || sides.length > 2 || height === undefined || width === undefined) {
			context.addIssue({
				code: "custom",
				message: `expected <side> or <height>x<width> in even pixels, ${MIN_SIDE} to ${MAX_SIDE}`,
			});
			return z.NEVER;
		}
		return [height, width];
	});

const BYTE_UNITS: Readonly<Record<string, number>> = { "": 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12 };

/** Bytes from `20GB`, `500 MB` or a number. */
export const byteSize: z.ZodType<number, number | string> = z
	.union([z.number(), z.string()])
	.transform((value, context): number => {
		const [, digits = "", unit = "?"] = /^([\d.]+)\s*([a-z]*)$/.exec(String(value).toLowerCase()) ?? [];
		const bytes = Number(digits) * (BYTE_UNITS[unit] ?? Number.NaN);
		if (digits !== "" && Number.isFinite(bytes) && bytes >= 1) return Math.floor(bytes);
		context.addIssue({ code: "custom", message: "expected a size like 20GB, 500MB or a number of bytes" });
		return z.NEVER;
	});

/** A fraction from `0.2`, or episode numbers from `3,7`. */
const heldOut = z
	.union([z.number(), z.string(), z.array(z.number().int().nonnegative()).min(1)])
	.transform((value, context): number | readonly number[] => {
		if (Array.isArray(value)) return value;
		const list = typeof value === "string" ? parseEpisodeList(value) : { problem: "" };
		if ("episodes" in list) return list.episodes;
		const fraction = Number(value);
		if (fraction > 0 && fraction <= 0.5) return fraction;
		context.addIssue({
			code: "custom",
			message: "expected a fraction above 0 and up to 0.5, or episodes like 3,7,20-24",
		});
		return z.NEVER;
	});

/** Marks every row as one that the environment may give. */
function settings<O extends OptionTable>(
	table: O,
): { readonly [Key in keyof O]: O[Key] & { readonly isSetting: true } } {
	const rows = Object.entries(table).map(([key, row]) => [key, { ...row, isSetting: true }]);
	// The same keys and rows, each with the mark.
	return Object.fromEntries(rows) as { readonly [Key in keyof O]: O[Key] & { readonly isSetting: true } };
}

/** The settings of a federated run. */
export const RUN_OPTIONS = settings({
	preset: {
		kind: "text",
		schema: z.enum(["tiny", "small", "full"]),
		value: "<name>",
		summary:
			"defaults for everything below: tiny (a check of the installation), small (the demonstration) or full " +
			"(SmolVLA as published; needs --init)",
	},
	data: {
		kind: "pairs",
		schema: z.record(
			z.string().regex(SITE_NAME, "site names are letters, digits, '.', '_' and '-'"),
			z.string().min(1),
		),
		value: "<site>=<uri>",
		summary:
			`a site and its recordings, repeatable: ${DATA_FORMS}; ` +
			"without it, --sites simulated sites record their own",
	},
	partition: {
		kind: "text",
		schema: partitionText,
		value: "<scheme>:<clients>[:<alpha>]",
		summary:
			"divide each dataset of --data among so many sites (iid:4, modulo:4, dirichlet:4:0.5; see `zk0 data partition`)",
	},
	camera: {
		kind: "pairs",
		schema: z.record(z.string().min(1), z.string().min(1)),
		value: "[<site>/]<dataset camera>=<policy camera>",
		summary:
			"which camera of a site (of every site, when none is named) is which of the policy, repeatable; " +
			"without it, cameras of equal names",
	},
	sites: {
		kind: "number",
		schema: z.number().int().min(1).max(MAX_SITES),
		value: "<n>",
		summary: "number of simulated sites, when --data names none",
	},
	episodes: {
		kind: "number",
		schema: z.number().int().min(2).max(MAX_ROUNDS),
		value: "<n>",
		summary: "episodes that each simulated site records",
	},
	imageSize: {
		kind: "text",
		schema: imageSize,
		value: "<px>|<h>x<w>",
		summary: "size of the recorded camera frames",
	},
	codec: {
		kind: "text",
		schema: z.enum(["av1", "h264"]),
		value: "<name>",
		summary: "video codec of the recordings: av1 or h264",
	},
	init: {
		kind: "text",
		schema: z.string().min(1),
		value: "<dir>|random",
		summary:
			"checkpoint to start from (a directory or hf:<user>/<name>), or random weights; the small presets bring a pretrained base",
	},
	loraRank: {
		kind: "number",
		schema: z.number().int().min(1).max(1024),
		value: "<n>",
		summary:
			"train a LoRA adapter of this rank on the modules that LeRobot adapts, instead of the weights; only the " +
			"adapter travels and is saved, in peft's format",
	},
	loraAlpha: {
		kind: "number",
		schema: z.number().positive().max(100_000),
		value: "<x>",
		summary: "the adapter is scaled by alpha / rank (default: 8, LeRobot's)",
	},
	loraFreezeA: {
		kind: "switch",
		schema: z.boolean(),
		summary:
			"train only the adapter's second factor: half the traffic, and averaging sites' adapters averages their " +
			"products exactly (FFA-LoRA)",
	},
	rounds: {
		kind: "number",
		schema: z.number().int().min(1).max(MAX_ROUNDS),
		value: "<n>",
		summary: "federated rounds",
	},
	localSteps: {
		kind: "number",
		schema: z.number().int().min(1).max(MAX_STEPS),
		value: "<n>",
		summary: "optimizer steps that each site takes in a round",
	},
	batchSize: {
		kind: "number",
		schema: z.number().int().min(1).max(4096),
		value: "<n>",
		summary: "frames in one step",
	},
	microBatch: {
		kind: "text",
		schema: z.union([z.literal("auto"), z.coerce.number().int().min(1).max(4096)]),
		value: "auto|<n>",
		summary:
			"frames in one pass through the model, a divisor of the batch size; their gradients are summed. auto: as many " +
			"as memory allows; the result is the same up to rounding",
	},
	learningRate: {
		kind: "number",
		schema: z.number().positive().max(1),
		value: "<x>",
		summary: "peak learning rate of the cosine schedule over the whole federation",
	},
	warmupSteps: {
		kind: "number",
		schema: z.number().int().min(0).max(MAX_STEPS),
		value: "<n>",
		summary: "steps until the peak learning rate",
	},
	strategy: {
		kind: "text",
		schema: z.enum(["fedavg", "fedprox"]),
		value: "<name>",
		summary: "how updates are combined: fedavg or fedprox",
	},
	proximalMu: {
		kind: "number",
		schema: z.number().min(0).max(1000),
		value: "<x>",
		summary: "strength of FedProx's pull to the global weights; fedprox only",
	},
	siteFraction: {
		kind: "number",
		schema: z.number().gt(0).max(1),
		value: "<x>",
		summary: "share of the sites that is drawn for each round",
	},
	minSites: {
		kind: "number",
		schema: z.number().int().min(1).max(MAX_SITES),
		value: "<n>",
		summary: "updates that a round needs; with fewer the run stops",
	},
	quorum: {
		kind: "number",
		schema: z.number().int().min(1).max(MAX_SITES),
		value: "<n>",
		summary:
			"with so many results a round waits no longer for sites that are offline or show no progress, and it starts " +
			"with so many sites (default: --min-sites, and everybody who was asked is waited for)",
	},
	roundDeadline: {
		kind: "number",
		schema: z.number().positive().max(MAX_SECONDS),
		value: "<seconds>",
		summary:
			"after this time training, or measuring, waits for nobody once it has its quorum; a later update is kept and " +
			"named (default: no deadline)",
	},
	stallAfter: {
		kind: "number",
		schema: z.number().min(1).max(MAX_SECONDS),
		value: "<seconds>",
		summary: "a site that is online and moves neither a step nor a byte for so long is named as stalled",
	},
	clipNorm: {
		kind: "number",
		schema: z.number().positive().max(1e9),
		value: "<x>",
		summary:
			"largest L2 norm of what a site may change in a round: longer updates are scaled back to it, by the site and again " +
			"by the server (default: no limit)",
	},
	updateDtype: {
		kind: "text",
		schema: z.enum(["float32", "bfloat16"]),
		value: "<type>",
		summary:
			"how weights and updates travel: float32, or bfloat16 for half the bytes and a little noise; " +
			"only zk0 sites read bfloat16, and both ends keep float32",
	},
	keepOptimizerState: {
		kind: "switch",
		schema: z.boolean(),
		summary: "keep each site's AdamW moments from round to round instead of starting fresh",
	},
	heldOut: {
		kind: "text",
		schema: heldOut,
		value: "<x>|<list>",
		summary:
			"episodes of each site that are never trained on: a fraction (0.2) or a list of their numbers (3,7,20-24)",
	},
	evalFrames: {
		kind: "number",
		schema: z.number().int().min(1).max(1_000_000),
		value: "<n>",
		summary: "held-out frames on which each site measures a round",
	},
	sampledFrames: {
		kind: "number",
		schema: z.number().int().min(1).max(1_000_000),
		value: "<n>",
		summary: "held-out frames on which each site samples actions to measure errors in degrees",
	},
	evalLocal: {
		kind: "switch",
		schema: z.boolean(),
		summary:
			"each site also measures the weights that it trained itself, before they are combined, on the same held-out frames; " +
			"one more evaluation a round, the weights stay the same",
	},
	keepCheckpoints: {
		kind: "number",
		schema: z.number().int().min(1).max(MAX_ROUNDS),
		value: "<n>",
		summary: "keep the checkpoints of the last n rounds, besides round 0; all of them when not given",
	},
	seed: {
		kind: "number",
		schema: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
		value: "<n>",
		summary: "seed of every random stream; the same seed gives the same weights",
	},
	threads: {
		kind: "number",
		schema: z.number().int().min(1).max(256),
		value: "<n>",
		summary: "compute threads of each site; the same number gives the same bits",
	},
	device: {
		kind: "text",
		schema: z.enum(["auto", "cpu", "webgpu", "cuda"]),
		value: "<name>",
		summary:
			"what computes: cpu, webgpu, cuda, or auto (the GPU that beats the processor twofold in a short trial); " +
			"another device rounds otherwise",
	},
	concurrency: {
		kind: "number",
		schema: z.number().int().min(1).max(64),
		value: "<n>",
		summary: "sites that train at the same time; does not change the result (default: one per core)",
	},
	cache: {
		kind: "text",
		schema: z.enum(["auto", "connector", "kv", "off"]),
		value: "<level>",
		summary:
			"what frozen layers give is kept on disk for later steps, runs and sites: connector (image tokens), kv (keys and " +
			"values, about twelve times as large, fastest), off, or auto (kv when that of every frame fits, else connector, " +
			"else off); does not change the result",
	},
	cacheBudget: {
		kind: "text",
		schema: byteSize,
		value: "<bytes>",
		summary:
			"most that all runs of this machine together keep, for example 20GB; what was unused longest goes",
	},
	cacheDtype: {
		kind: "text",
		schema: z.enum(["float32", "bfloat16"]),
		value: "<name>",
		summary: "numbers of what is kept: float32 (exact), or bfloat16 (half the space, results are not exact)",
	},
	out: {
		kind: "text",
		schema: z.string().min(1),
		value: "<dir>",
		summary: "directory that holds the runs, one folder each",
	},
});

/** The rows' names. */
export type RunOptionName = keyof typeof RUN_OPTIONS;
