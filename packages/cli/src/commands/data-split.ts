// `zk0 data split <dataset> <out> --part <name>=<share or episodes>`: parts of a dataset as datasets of their own.
import { splitDataset, splitParts } from "@zk0/dataset";
import { z } from "zod";
import { parseEpisodeList } from "../arguments/episode-list.ts";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { DATA_FORMS } from "../sources/data-forms.ts";
import { openData } from "../sources/locate-data.ts";
import {
	composeOptions,
	folderOf,
	summaryOf,
	WRITE_OPTIONS,
	writtenDocument,
	writtenLines,
} from "./dataset-writing.ts";

/** `0.8` and `80%` are shares; anything else is a list of episodes. */
const partSchema = z.string().transform((text, context): number | readonly number[] => {
	const [, share, percent] = /^(0?\.\d+|1\.0*|\d+(?:\.\d+)?(%))$/.exec(text) ?? [];
	if (share !== undefined) return percent === undefined ? Number(share) : Number(share.slice(0, -1)) / 100;
	const list = parseEpisodeList(text);
	if ("episodes" in list) return list.episodes;
	context.addIssue({ code: "custom", message: `${list.problem}, nor a share like 0.8 or 80%` });
	return z.NEVER;
});

const OPTIONS = {
	part: {
		kind: "pairs",
		schema: z.record(z.string(), partSchema),
		value: "<name>=<share or episodes>",
		summary:
			"a part, repeatable: a share of the episodes (0.8 or 80%), dealt in order, or a list of them (0-9,12)",
	},
	...WRITE_OPTIONS,
} satisfies OptionTable;

/** The command. */
export const dataSplit = defineCommand({
	positionals: [
		{ name: "dataset", summary: `which is not changed: ${DATA_FORMS}` },
		{ name: "out", summary: "the folder below which each part appears under its name" },
	],
	options: OPTIONS,
	examples: [
		"zk0 data split data/all data/parts --part train=0.8 --part val=0.2",
		"zk0 data split data/all data/parts --part alice=0-24 --part bob=25-49",
	],
	async run({ values, named, host, output }) {
		const startedMs = host.now();
		const parts = values.part;
		if (parts === undefined) {
			throw new CliError("missing-argument", "no part is named", {
				cure: "give --part <name>=<share or episodes>",
			});
		}
		const source = await openData(named["dataset"] ?? "", { host, output });
		const numEpisodes = [...splitParts(source.numEpisodes, parts).values()].flat().length;
		const options = composeOptions(values, numEpisodes, { host, output });
		const written = await splitDataset(source, folderOf(host, named["out"]), { ...options, parts });
		const ms = host.now() - startedMs;
		const documents = Object.fromEntries([...written].map(([name, part]) => [name, writtenDocument(part)]));
		output.result({ parts: documents, seconds: ms / 1000 }, () =>
			[...written]
				.flatMap(([name, part]) => [
					`${name}: ${summaryOf(part, ms)}`,
					...writtenLines(part).map((line) => `  ${line}`),
				])
				.join("\n"),
		);
	},
});
