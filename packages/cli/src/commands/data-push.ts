// `zk0 data push <data> hf:<user>/<name>`: a dataset to the Hugging Face hub, as LeRobot expects to find it.
import { existsSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { listDatasetFiles, openDataset } from "@zk0/dataset";
import type { PushFile } from "@zk0/hub";
import { z } from "zod";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { datasetCard } from "../sources/dataset-card.ts";
import { locateData } from "../sources/locate-data.ts";
import { PUSH_OPTIONS, parseTarget, REPO_POSITIONAL, upload } from "./upload.ts";

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
	positionals: [{ name: "data", summary: "a dataset's directory, or sim:<task>" }, REPO_POSITIONAL],
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
		const repo = parseTarget(named["repo"] ?? "");
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
		const title = `Upload ${dataset.numEpisodes} episodes with zk0`;
		const source = { dataset: dir };
		await upload({ kind: "dataset", repo, files, bytes, title, tag, source }, values, { host, output });
	},
});

/** Paths of the files under meta/, relative to the dataset, with slashes. */
async function metaFiles(dir: string): Promise<string[]> {
	const entries = await readdir(join(dir, "meta"), { recursive: true, withFileTypes: true });
	const files = entries.filter((entry) => entry.isFile() || entry.isSymbolicLink());
	return files.map((entry) => relative(dir, join(entry.parentPath, entry.name)).split(sep).join("/")).sort();
}
