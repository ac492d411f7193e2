// `zk0 data merge <dataset> <dataset>… <out>`: several datasets of one kind of robot as one.
import { type LeRobotDataset, mergeDatasets } from "@zk0/dataset";
import { defineCommand } from "../command.ts";
import { DATA_FORMS } from "../sources/data-forms.ts";
import { openData } from "../sources/locate-data.ts";
import { answerWritten, composeOptions, folderOf, OUT, WRITE_OPTIONS } from "./dataset-writing.ts";

/** The command. */
export const dataMerge = defineCommand({
	positionals: [
		{ name: "dataset", summary: `what to merge, in this order; not changed: ${DATA_FORMS}`, several: true },
		OUT,
	],
	options: WRITE_OPTIONS,
	notes: [
		"Rate, robot type, names of state and action, and cameras must be equal. Statistics are joined as LeRobot joins them.",
	],
	examples: ["zk0 data merge data/monday data/tuesday data/week"],
	async run({ values, named, several, host, output }) {
		const startedMs = host.now();
		const sources: LeRobotDataset[] = [];
		for (const uri of several) sources.push(await openData(uri, { host, output }));
		const numEpisodes = sources.reduce((sum, source) => sum + source.numEpisodes, 0);
		const options = composeOptions(values, numEpisodes, { host, output });
		const written = await mergeDatasets(sources, folderOf(host, named["out"]), options);
		const from = sources.map(({ root }) => root);
		const did = `merged ${from.length} datasets:`;
		answerWritten(written, { did, startedMs, about: { from } }, { host, output });
	},
});
