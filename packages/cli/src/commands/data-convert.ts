// `zk0 data convert <dir> <out>`: writes a dataset of LeRobot v2.x anew in v3.0.
import { resolve } from "node:path";
import { convertDataset } from "@zk0/dataset";
import type { OptionTable } from "../arguments/option.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { formatDuration } from "../progress/format.ts";
import { openData } from "../sources/locate-data.ts";

const OPTIONS = {
	codec: { ...RUN_OPTIONS.codec, summary: "video codec of the new dataset, av1 or h264 (default: av1)" },
} satisfies OptionTable;

/** The command. */
export const dataConvert = defineCommand({
	path: ["data", "convert"],
	summary:
		"Write a LeRobot dataset (v2.0, v2.1 or v3.0) anew as v3.0, with equal rows and pictures encoded again.",
	positionals: [
		{ name: "dir", summary: "the dataset; it is not changed" },
		{ name: "out", summary: "where the new dataset is to appear; must not exist or be empty" },
	],
	options: OPTIONS,
	examples: ["zk0 data convert data/old data/new", "zk0 data convert data/old data/new --codec h264"],
	async run({ values, named, host, output }) {
		const startedMs = host.now();
		const source = await openData(named["dir"] ?? "", { host, output });
		const written = await convertDataset(source, resolve(host.cwd, named["out"] ?? ""), {
			codec: values.codec ?? "av1",
			onEpisode: (numDone) => output.line(`episode ${numDone}/${source.numEpisodes}`),
			signal: host.signal,
		});
		const seconds = (host.now() - startedMs) / 1000;
		const document = {
			dir: written.root,
			from: source.info.codebase_version,
			to: "v3.0",
			episodes: written.numEpisodes,
			frames: written.numFrames,
			droppedFeatures: written.droppedFeatures,
			seconds,
		};
		output.result(document, () => {
			const dropped = written.droppedFeatures.join(", ");
			const kept = `converted ${document.episodes} episodes, ${document.frames} frames from ${document.from} to v3.0 in ${formatDuration(seconds * 1000)}: ${document.dir}`;
			return dropped === "" ? kept : `${kept}\nleft out, since training does not read them: ${dropped}`;
		});
	},
});
