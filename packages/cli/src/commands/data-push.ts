// `zk0 data push <data> hf:<user>/<name>`: a dataset to the Hugging Face hub, as LeRobot expects to find it.
import { existsSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { listDatasetFiles, openDataset } from "@zk0/dataset";
import { hubSettings, type PushFile, parseHubReference, pushFiles } from "@zk0/hub";
import { formatBytes } from "@zk0/records/format";
import { z } from "zod";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { datasetCard } from "../sources/dataset-card.ts";
import { locateData } from "../sources/locate-data.ts";
import { PUSH_OPTIONS } from "./push-options.ts";

const OPTIONS = {
	...PUSH_OPTIONS,
	tag: {
		kind: "switch",
		schema: z.boolean(),
		summary:
			"tag the commit with the format's version, by which LeRobot and zk0 find it (default; --no-tag leaves it out)",
	},
	dryRun: {
		kind: "switch",
		schema: z.boolean(),
		summary: "check the dataset and say what would be uploaded, without asking the hub",
	},
} satisfies OptionTable;

const CARD = "README.md";

/** The command. */
export const dataPush = defineCommand({
	positionals: [
		{ name: "data", summary: "a dataset's directory, or sim:<task>" },
		{ name: "repo", summary: "where to: hf:<user>/<name>; created when it is not there" },
	],
	options: OPTIONS,
	notes: [
		"Uploads the files of meta/, the data and videos that they name, and README.md: the dataset's own, or one made " +
			"from its metadata. What the hub has already is not sent again. Needs a token that may write (HF_TOKEN).",
	],
	examples: [
		"zk0 data push data/kitchen hf:me/kitchen --dry-run",
		"zk0 data push data/kitchen hf:me/kitchen --public --license apache-2.0",
	],
	async run({ values, named, host, output }) {
		const target = named["repo"] ?? "";
		const { repo, revision } = parseHubReference(target);
		if (revision !== null) {
			throw new CliError("bad-flag", `${target} names a revision; uploads go to the main branch`, {
				cure: `use hf:${repo}`,
			});
		}
		const { dir, selection } = await locateData(named["data"] ?? "", { host, output });
		if (selection !== undefined) {
			throw new CliError("bad-flag", "a part of a dataset cannot be uploaded as it is", {
				cure: "write it as a dataset of its own first: zk0 data convert",
			});
		}
		const dataset = await openDataset(dir, { signal: host.signal });
		const { codebase_version: version } = dataset.info;
		const paths = [...(await metaFiles(dir)), ...(await listDatasetFiles(dir, { signal: host.signal }))];
		const files: PushFile[] = paths.map((path) => ({ path, from: { file: join(dir, path) } }));
		const card = join(dir, CARD);
		files.push({
			path: CARD,
			from: existsSync(card) ? { file: card } : { text: datasetCard(dataset, repo, values.license ?? null) },
		});
		const bytes = paths.reduce((sum, path) => sum + statSync(join(dir, path)).size, 0);
		const tag = values.tag === false ? null : version;
		const isPrivate = values.public !== true;
		const plan = {
			dataset: dir,
			repo,
			files: files.length,
			bytes,
			tag,
			visibility: isPrivate ? "private" : "public",
		};
		if (values.dryRun === true) {
			const what = `${files.length} files, ${formatBytes(bytes)}, tag ${tag ?? "none"}, ${plan.visibility} if new`;
			output.result({ ...plan, dryRun: true, paths: files.map(({ path }) => path) }, () =>
				[`would upload to ${repo}: ${what}`, ...files.map(({ path }) => `  ${path}`)].join("\n"),
			);
			return;
		}
		let numUploaded = 0;
		const pushed = await pushFiles(
			{
				kind: "dataset",
				repo,
				files,
				title: `Upload ${dataset.numEpisodes} episodes with zk0`,
				isPrivate,
				tag,
			},
			{
				settings: await hubSettings(host.env),
				signal: host.signal,
				onFile(path, state, fraction) {
					if (state === "uploading" && fraction === 1) output.line(`${++numUploaded}: ${path}`);
				},
			},
		);
		const where = tag === null ? pushed.commit : `${tag} (${pushed.commit.slice(0, 8)})`;
		output.result({ ...plan, ...pushed }, () => {
			const kept = pushed.isNew ? plan.visibility : "was there; who sees it is unchanged";
			return `uploaded ${files.length} files, ${formatBytes(bytes)}: ${pushed.url} at ${where}, ${kept}`;
		});
	},
});

/** Paths of the files under meta/, relative to the dataset, with slashes. */
async function metaFiles(dir: string): Promise<string[]> {
	const entries = await readdir(join(dir, "meta"), { recursive: true, withFileTypes: true });
	const files = entries.filter((entry) => entry.isFile() || entry.isSymbolicLink());
	return files.map((entry) => relative(dir, join(entry.parentPath, entry.name)).split(sep).join("/")).sort();
}
