// `zk0 data convert <dir> <out>`: writes a dataset of LeRobot v2.x anew in v3.0.
import { convertDataset } from "@zk0/dataset";
import { defineCommand } from "../command.ts";
import { DATA_FORMS } from "../sources/data-forms.ts";
import { openData } from "../sources/locate-data.ts";
import { answerWritten, composeOptions, folderOf, OUT, WRITE_OPTIONS } from "./dataset-writing.ts";

/** The command. */
export const dataConvert = defineCommand({
	positionals: [{ name: "dir", summary: `the dataset, which is not changed: ${DATA_FORMS}` }, OUT],
	options: WRITE_OPTIONS,
	examples: ["zk0 data convert data/old data/new", "zk0 data convert data/old data/new --codec h264"],
	async run({ values, named, host, output }) {
		const startedMs = host.now();
		const source = await openData(named["dir"] ?? "", { host, output });
		const options = composeOptions(values, source.numEpisodes, { host, output });
		const written = await convertDataset(source, folderOf(host, named["out"]), options);
		const from = source.info.codebase_version;
		const did = `converted from ${from} to v3.0:`;
		answerWritten(written, { did, startedMs, about: { from, to: "v3.0" } }, { host, output });
	},
});
