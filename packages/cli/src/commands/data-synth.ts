// `zk0 data synth <dir>`: records demonstrations of the scripted expert as a LeRobot dataset.
import { resolve } from "node:path";
import { formatDuration } from "@zk0/records/format";
import { parseSimUri, recordDataset } from "@zk0/sim";
import { z } from "zod";
import type { OptionTable } from "../arguments/option.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";

const OPTIONS = {
	task: {
		kind: "text",
		schema: z.string().min(1),
		value: "<id>[,<id>...]",
		summary: "what the arm does, or a demonstration site's name (default: reach-red); see `zk0 help tasks`",
	},
	episodes: {
		...RUN_OPTIONS.episodes,
		schema: z.int().min(1).max(100_000),
		summary: "episodes to record (default: 12)",
	},
	seed: { ...RUN_OPTIONS.seed, summary: "the same seed records the same episodes (default: 0)" },
	imageSize: { ...RUN_OPTIONS.imageSize, summary: "size of the camera frames (default: 96x128)" },
	fps: {
		kind: "number",
		schema: z.int().min(5).max(60),
		value: "<n>",
		summary: "frames per second (default: 10)",
	},
	codec: { ...RUN_OPTIONS.codec, summary: "video codec, av1 or h264 (default: av1)" },
	domain: {
		kind: "text",
		schema: z.string().min(1),
		value: "<name>",
		summary: "the look of the workplace: light, table and camera offsets derive from this name",
	},
} satisfies OptionTable;

/** The command. */
export const dataSynth = defineCommand({
	positionals: [{ name: "dir", summary: "where the dataset is to appear; must not exist or be empty" }],
	options: OPTIONS,
	examples: ["zk0 data synth data/reach --task reach-red,reach-blue --episodes 20 --seed 7"],
	async run({ values, named, host, output }) {
		const source = parseSimUri(`sim:${values.task ?? "reach-red"}`);
		const numEpisodes = values.episodes ?? source.episodes;
		const [height, width] = values.imageSize ?? [source.image.height, source.image.width];
		const dir = resolve(host.cwd, named["dir"] ?? "");
		const startedMs = host.now();
		const written = await recordDataset(dir, {
			...source,
			episodes: numEpisodes,
			image: { height, width },
			seed: values.seed ?? source.seed,
			fps: values.fps ?? source.fps,
			domain: values.domain ?? source.domain,
			codec: values.codec ?? "av1",
			onEpisode: (numDone) => output.line(`episode ${numDone}/${numEpisodes}`),
			signal: host.signal,
		});
		const seconds = (host.now() - startedMs) / 1000;
		const document = {
			dir,
			episodes: written.numEpisodes,
			frames: written.numFrames,
			tasks: source.tasks,
			seconds,
		};
		output.result(
			document,
			() =>
				`recorded ${document.episodes} episodes, ${document.frames} frames in ${formatDuration(seconds * 1000)}: ${dir}`,
		);
	},
});
