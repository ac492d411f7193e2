// `zk0 model init --preset <preset> --out <dir>`: random weights, for tests and measurements without a download.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { numElements, type Shape } from "@zk0/arrays";
import {
	initTensors,
	SMALL_TOKENIZER_DIR,
	smallPreset,
	smolvlaBasePreset,
	tensorShapes,
	trainableNames,
	writeCheckpoint,
} from "@zk0/policy";
import { z } from "zod";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";

const PRESETS = { "smolvla-base": smolvlaBasePreset, small: smallPreset } as const;

const OPTIONS = {
	preset: {
		kind: "text",
		schema: z.enum(["smolvla-base", "small"]),
		value: "<smolvla-base|small>",
		summary:
			"sizes of the model: the published 450 million parameters, or about one million (default: small)",
	},
	seed: { ...RUN_OPTIONS.seed, summary: "which random weights (default: 42)" },
	tokenizer: {
		kind: "text",
		schema: z.string().min(1),
		value: "<dir>",
		summary: "folder with tokenizer.json and tokenizer_config.json (default: the bundled small tokenizer)",
	},
	out: {
		kind: "text",
		schema: z.string().min(1),
		value: "<dir>",
		summary: "where the checkpoint is written; must not exist",
	},
} satisfies OptionTable;

/** The command. */
export const modelInit = defineCommand({
	options: OPTIONS,
	notes: [
		"The same preset and seed give the same bytes. smolvla-base takes 1.8 GB of disk, and memory for its largest tensor only.",
	],
	examples: ["zk0 model init --preset smolvla-base --seed 1 --out models/random"],
	async run({ values, host, output }) {
		const { preset = "small", seed = 42 } = values;
		const out = newDirectory(values.out, host.cwd);
		const isBundled = values.tokenizer === undefined;
		const tokenizerDir = isBundled ? SMALL_TOKENIZER_DIR : resolve(host.cwd, values.tokenizer ?? "");
		if (preset === "smolvla-base" && isBundled) {
			output.line(
				"tokenizer: the bundled small one, not SmolVLM2's; task texts become other ids than LeRobot's. " +
					"Give --tokenizer <dir> for the real one.",
			);
		}
		const { config, vlm } = PRESETS[preset]();
		const tensors = initTensors(config, vlm, seed);
		await writeCheckpoint(out, { config, vlm, tensors, tokenizerDir }, { signal: host.signal });
		const shapes = tensorShapes(config, vlm);
		const names = trainableNames(config, vlm);
		const parameters = countElements([...shapes.values()]);
		const trained = countElements(names.map((name) => shapes.get(name) ?? []));
		const document = {
			checkpoint: out,
			preset,
			seed,
			tensors: shapes.size,
			parameters,
			trainedTensors: names.length,
			trainedParameters: trained,
			tokenizer: tokenizerDir,
		};
		output.result(
			document,
			() =>
				`${shapes.size} tensors, ${parameters.toLocaleString("en")} parameters, ` +
				`${trained.toLocaleString("en")} of them trained: ${out}`,
		);
	},
});

function newDirectory(path: string | undefined, cwd: string): string {
	if (path === undefined) {
		throw new CliError("missing-argument", "missing --out <dir>: where the checkpoint is written", {
			cure: "see `zk0 help model init`",
		});
	}
	const out = resolve(cwd, path);
	if (!existsSync(out)) return out;
	throw new CliError("bad-flag", `--out ${out} exists`, {
		cure: "name a directory that does not exist yet",
	});
}

function countElements(shapes: readonly Shape[]): number {
	return shapes.reduce((sum, shape) => sum + numElements(shape), 0);
}
