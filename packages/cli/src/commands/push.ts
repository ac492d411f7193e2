// `zk0 push <run> hf:<user>/<name>`: a run's checkpoint to the Hugging Face hub, with a card made from its record.
import { resolve } from "node:path";
import { hubSettings, parseHubReference, pushFiles } from "@zk0/hub";
import { formatBytes } from "@zk0/records/format";
import { publishedCheckpoint } from "@zk0/records/publishing";
import { z } from "zod";
import { findRun } from "../arguments/find-run.ts";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { PUSH_OPTIONS } from "./push-options.ts";

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
	positionals: [
		{ name: "run", summary: "a run's id, the beginning or end of one, its path, or latest" },
		{ name: "repo", summary: "where to: hf:<user>/<name>; created when it is not there" },
	],
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
		const target = named["repo"] ?? "";
		const { repo, revision } = parseHubReference(target);
		if (revision !== null) {
			throw new CliError("bad-flag", `${target} names a revision; uploads go to the main branch`, {
				cure: `use hf:${repo}`,
			});
		}
		const paths = await findRun(resolve(host.cwd, values.out ?? "runs"), named["run"] ?? "");
		const { files, bytes, card, round, directory } = await publishedCheckpoint(paths, {
			round: values.round ?? null,
			license: values.license ?? null,
			repo,
			withRecord: values.withRecord === true,
		});
		const isPrivate = values.public !== true;
		const visibility = isPrivate ? "private" : "public";
		const plan = {
			run: paths.id,
			round,
			checkpoint: directory,
			repo,
			files: files.length,
			bytes,
			visibility,
		};
		if (values.dryRun === true) {
			const what = `${files.length} files, ${formatBytes(bytes)}, ${visibility} if new`;
			output.result({ ...plan, dryRun: true, paths: files.map(({ path }) => path), card }, () =>
				[`would upload to ${repo}: ${what}`, ...files.map(({ path }) => `  ${path}`), "", card].join("\n"),
			);
			return;
		}
		const title = `Upload round ${round} of run ${paths.id} with zk0`;
		const pushed = await pushFiles(
			{ kind: "model", repo, files, title, isPrivate, tag: null },
			{ settings: await hubSettings(host.env), signal: host.signal },
		);
		output.result({ ...plan, ...pushed }, () => {
			const kept = pushed.isNew ? visibility : "was there; who sees it is unchanged";
			return `uploaded ${files.length} files, ${formatBytes(bytes)}: ${pushed.url} (${pushed.commit.slice(0, 8)}), ${kept}`;
		});
	},
});
