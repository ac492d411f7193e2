// `zk0 push <run> hf:<user>/<name>`: a run's checkpoint to the Hugging Face hub, with a card made from its record.
import { resolve } from "node:path";
import { publishedCheckpoint } from "@zk0/records/publishing";
import { z } from "zod";
import { findRun, RUN_POSITIONAL } from "../arguments/find-run.ts";
import type { OptionTable } from "../arguments/option.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { PUSH_OPTIONS, parseTarget, REPO_POSITIONAL, upload } from "./upload.ts";

const OPTIONS = {
	out: { ...RUN_OPTIONS.out, summary: "directory that holds the runs (default: runs)" },
	round: {
		kind: "number",
		schema: z.int().nonnegative(),
		value: "<n>",
		summary: "round whose weights are uploaded (default: the last one)",
	},
	...PUSH_OPTIONS,
	withRecord: {
		kind: "switch",
		schema: z.boolean(),
		summary:
			"upload the run's log, record and report too, by which anybody can verify it; they name the sites",
	},
	dryRun: {
		kind: "switch",
		schema: z.boolean(),
		summary: "say what would be uploaded and print the card, without asking the hub",
	},
} satisfies OptionTable;

/** The command. */
export const push = defineCommand({
	positionals: [RUN_POSITIONAL, REPO_POSITIONAL],
	options: OPTIONS,
	notes: [
		"Uploads the global checkpoint: it carries no site's statistics. The card is made from the run's record and from " +
			"nothing else. Nothing is ever uploaded without this command. Needs a token that may write (HF_TOKEN).",
	],
	examples: [
		"zk0 push latest hf:me/kitchen-policy --dry-run",
		"zk0 push latest hf:me/kitchen-policy --with-record",
	],
	async run({ values, named, host, output }) {
		const repo = parseTarget(named["repo"] ?? "");
		const paths = await findRun(resolve(host.cwd, values.out ?? "runs"), named["run"] ?? "");
		const { round, directory, ...published } = await publishedCheckpoint(paths, {
			round: values.round ?? null,
			license: values.license ?? null,
			repo,
			withRecord: values.withRecord === true,
		});
		const title = `Upload round ${round} of run ${paths.id} with zk0`;
		const source = { run: paths.id, round, checkpoint: directory };
		await upload({ kind: "model", repo, ...published, title, source }, values, { host, output });
	},
});
