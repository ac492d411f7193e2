// `zk0 data reencode <dataset> <out>`: a dataset with its videos encoded again.
import { reencodeDataset } from "@zk0/dataset";
import { defineCommand } from "../command.ts";
import { DATA_FORMS } from "../sources/data-forms.ts";
import { openData } from "../sources/locate-data.ts";
import { answerWritten, composeOptions, folderOf, OUT, WRITE_OPTIONS } from "./dataset-writing.ts";

/** The command. */
export const dataReencode = defineCommand({
	positionals: [{ name: "dataset", summary: `which is not changed: ${DATA_FORMS}` }, OUT],
	options: {
		...WRITE_OPTIONS,
		codec: { ...WRITE_OPTIONS.codec, summary: "codec of the videos, av1 or h264 (default: av1)" },
	},
	examples: ["zk0 data reencode data/big data/small --codec av1 --gop 2 --crf 35"],
	async run({ values, named, host, output }) {
		const startedMs = host.now();
		const source = await openData(named["dataset"] ?? "", { host, output });
		const codec = values.codec ?? "av1";
		const written = await reencodeDataset(source, folderOf(host, named["out"]), {
			...composeOptions({ ...values, codec }, source.numEpisodes, { host, output }),
			codec,
		});
		answerWritten(written, { did: "encoded", startedMs }, { host, output });
	},
});
