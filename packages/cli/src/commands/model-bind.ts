// `zk0 model bind <checkpoint> <dataset> --out <dir>`: joins a global checkpoint with a site's statistics and cameras.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { splitEpisodes } from "@zk0/dataset";
import { bindCheckpoint } from "@zk0/policy";
import { z } from "zod";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { openModel } from "../evaluation/open-policy.ts";
import { bindingTo } from "../evaluation/site-binding.ts";
import { DATA_FORMS } from "../sources/data-forms.ts";
import { openProfiledData } from "../sources/locate-data.ts";

const OPTIONS = {
	out: {
		kind: "text",
		schema: z.string().min(1),
		value: "<dir>",
		summary: "where the bound checkpoint is written; must not exist",
	},
	camera: {
		kind: "pairs",
		schema: z.record(z.string(), z.string()),
		value: "<dataset camera>=<policy camera>",
		summary: "which camera is which, repeatable (default: cameras of equal names)",
	},
	heldOut: {
		...RUN_OPTIONS.heldOut,
		summary:
			"leave this fraction of the episodes out of the statistics, as a run with the same value did (default: none)",
	},
	seed: { ...RUN_OPTIONS.seed, summary: "with --held-out: the run's seed (default: 42)" },
} satisfies OptionTable;

/** The command. */
export const modelBind = defineCommand({
	positionals: [
		{
			name: "checkpoint",
			summary: "a global or any SmolVLA checkpoint: its directory, or hf:<user>/<name>[@revision]",
		},
		{ name: "dataset", summary: `recordings of the site: ${DATA_FORMS}` },
	],
	options: OPTIONS,
	examples: ["zk0 model bind runs/<id>/checkpoints/round_5/global data/kitchen --out models/kitchen"],
	async run({ values, named, host, output }) {
		if (values.out === undefined) {
			throw new CliError("missing-argument", "missing --out <dir>: where the bound checkpoint is written", {
				cure: "see `zk0 help model bind`",
			});
		}
		const out = resolve(host.cwd, values.out);
		if (existsSync(out)) {
			throw new CliError("bad-flag", `--out ${out} exists`, {
				cure: "name a directory that does not exist yet",
			});
		}
		using checkpoint = await openModel(named["checkpoint"] ?? "", host);
		const { dataset, profile } = await openProfiledData(named["dataset"] ?? "", { host, output });
		const { heldOut } = values;
		if (profile !== null && heldOut !== undefined) {
			throw new CliError("bad-flag", "--held-out has no meaning with a profile, which names its episodes", {
				cure: "leave --held-out out",
			});
		}
		const train =
			heldOut === undefined
				? undefined
				: splitEpisodes(dataset.episodes, { heldOut, seed: values.seed ?? 42 }).train;
		const { signal } = host;
		const { cameras, ...binding } = await bindingTo(checkpoint, {
			dataset,
			profile,
			camera: values.camera,
			train,
			signal,
		});
		await bindCheckpoint(checkpoint.directory, out, { vlmDir: checkpoint.tokenizerDir, ...binding });
		output.result(
			{ checkpoint: out, dataset: dataset.root, cameras: Object.fromEntries(cameras) },
			() => `bound to ${dataset.root}: ${out}`,
		);
	},
});
