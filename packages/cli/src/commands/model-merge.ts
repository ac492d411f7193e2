// `zk0 model merge <base> <adapter> --out <dir>`: a LoRA adapter folded into a full checkpoint.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { sha256File } from "@zk0/arrays/node";
import { contentOf, mergedTensors, weightsPath, writeCheckpoint } from "@zk0/policy";
import { z } from "zod";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { locateModel, openModel } from "../evaluation/open-policy.ts";

const OPTIONS = {
	out: {
		kind: "text",
		schema: z.string().min(1),
		value: "<dir>",
		summary: "where the full checkpoint is written; must not exist",
	},
} satisfies OptionTable;

/** The command. */
export const modelMerge = defineCommand({
	positionals: [
		{
			name: "base",
			summary: "the full checkpoint the adapter was trained on: its directory, or hf:<user>/<name>",
		},
		{ name: "adapter", summary: "a checkpoint with adapter_config.json: its directory, or hf:<user>/<name>" },
	],
	options: OPTIONS,
	notes: [
		"Adapted weights are written as float32, the others as the base has them. Statistics and cameras are the " +
			"adapter's. A base that is not the one the adapter was trained on is refused.",
	],
	examples: [
		"zk0 model merge hf:lerobot/smolvla_base runs/<id>/checkpoints/round_5/sites/lab/pretrained_model --out models/lab",
	],
	async run({ values, named, host, output }) {
		if (values.out === undefined) {
			throw new CliError("missing-argument", "missing --out <dir>: where the full checkpoint is written", {
				cure: "see `zk0 help model merge`",
			});
		}
		const out = resolve(host.cwd, values.out);
		if (existsSync(out)) {
			throw new CliError("bad-flag", `--out ${out} exists`, {
				cure: "name a directory that does not exist yet",
			});
		}
		const base = await locateModel(named["base"] ?? "", host);
		using checkpoint = await openModel(named["adapter"] ?? "", host, { baseDir: base.directory });
		const { adapter } = checkpoint.model;
		if (adapter === undefined) {
			throw new CliError("model-unusable", `${checkpoint.directory} is a full model, not an adapter`, {
				cure: "give the directory that has adapter_config.json",
			});
		}
		const { stats, renameMap, isBound } = checkpoint;
		const site = isBound ? { site: { stats, renameMap } } : {};
		const content = { ...contentOf(checkpoint), ...site, adapter: undefined };
		const tensors = mergedTensors(checkpoint.model);
		await writeCheckpoint(out, { ...content, tensors }, { signal: host.signal });
		const modules = adapter.modules.length + adapter.savedModules.length;
		output.result(
			{
				checkpoint: out,
				base: checkpoint.base?.directory,
				adapter: checkpoint.directory,
				modules,
				modelSha256: await sha256File(weightsPath(out)),
			},
			() => `merged ${modules} modules of rank ${adapter.rank}: ${out}`,
		);
	},
});
