// `zk0 data subset <dataset> <out>`: some episodes, cameras or features of a dataset as one of its own.
import { subsetDataset } from "@zk0/dataset";
import { episodeList, nameList } from "../arguments/episode-list.ts";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { DATA_FORMS } from "../sources/data-forms.ts";
import { openData } from "../sources/locate-data.ts";
import { answerWritten, composeOptions, folderOf, OUT, WRITE_OPTIONS } from "./dataset-writing.ts";

const OPTIONS = {
	episodes: {
		kind: "text",
		schema: episodeList,
		value: "<list>",
		summary: "episodes to keep, in this order: 0-9,12",
	},
	deleteEpisodes: {
		kind: "text",
		schema: episodeList,
		value: "<list>",
		summary: "episodes to leave out: 3,7",
	},
	cameras: {
		kind: "text",
		schema: nameList,
		value: "<keys>",
		summary: "cameras to keep, by their full keys",
	},
	...WRITE_OPTIONS,
} satisfies OptionTable;

/** The command. */
export const dataSubset = defineCommand({
	positionals: [{ name: "dataset", summary: `which is not changed: ${DATA_FORMS}` }, OUT],
	options: OPTIONS,
	examples: [
		"zk0 data subset data/all data/good --delete-episodes 3,17",
		"zk0 data subset data/all data/top --episodes 0-49 --cameras observation.images.top",
	],
	async run({ values, named, host, output }) {
		const startedMs = host.now();
		if (values.episodes !== undefined && values.deleteEpisodes !== undefined) {
			throw new CliError("bad-flag", "--episodes and --delete-episodes say the same thing twice", {
				cure: "give one",
			});
		}
		const source = await openData(named["dataset"] ?? "", { host, output });
		const deleted = new Set(values.deleteEpisodes);
		const unknown = [...deleted].find((index) => index >= source.numEpisodes);
		if (unknown !== undefined) {
			throw new CliError("bad-flag", `--delete-episodes: ${source.root} has no episode ${unknown}`, {
				cure: `its episodes are 0 to ${source.numEpisodes - 1}`,
			});
		}
		const all = source.episodes.map(({ index }) => index).filter((index) => !deleted.has(index));
		const episodes = values.episodes ?? all;
		const written = await subsetDataset(source, folderOf(host, named["out"]), {
			...composeOptions(values, episodes.length, { host, output }),
			episodes,
			cameras: values.cameras,
		});
		answerWritten(written, { did: "kept", startedMs }, { host, output });
	},
});
