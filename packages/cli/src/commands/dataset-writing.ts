// What the commands that write datasets share: how videos are encoded, progress, and the account of what was written.
import { resolve } from "node:path";
import type { ComposedDataset, ComposeOptions } from "@zk0/dataset";
import { formatDuration } from "@zk0/records/format";
import { z } from "zod";
import { nameList } from "../arguments/episode-list.ts";
import type { OptionTable, OptionValues } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";

/** The positional for what is written. */
export const OUT = {
	name: "out",
	summary: "where the new dataset is to appear; must not exist or be empty",
} as const;

/** Options of every command that writes datasets. */
export const WRITE_OPTIONS = {
	removeFeatures: {
		kind: "text",
		schema: nameList,
		value: "<keys>",
		summary: "cameras and other features to leave out, by their full keys",
	},
	codec: {
		...RUN_OPTIONS.codec,
		summary:
			"encode all videos with this codec, av1 or h264 (default: copy them, and encode only what cannot be cut out exactly)",
	},
	gop: {
		kind: "number",
		schema: z.number().int().min(1).max(1000),
		value: "<n>",
		summary:
			"frames from keyframe to keyframe of what is encoded: 2 is quick to read, more is smaller (default: 2)",
	},
	crf: {
		kind: "number",
		schema: z.number().int().min(0).max(63),
		value: "<n>",
		summary: "quality of what is encoded, lower is better and larger (default: 30 for av1, 23 for h264)",
	},
} satisfies OptionTable;

/** The compose options of a command line, with progress lines; `numEpisodes` is how many there will be. */
export function composeOptions(
	values: OptionValues<typeof WRITE_OPTIONS>,
	numEpisodes: number,
	{ host, output }: { readonly host: Host; readonly output: Output },
): ComposeOptions {
	const { codec, gop, crf, removeFeatures } = values;
	if (codec === "h264" && crf !== undefined && crf > 51) {
		throw new CliError("bad-flag", `--crf ${crf}: h264 takes 0 to 51`);
	}
	return {
		codec,
		without: removeFeatures,
		encoder: { ...(gop === undefined ? {} : { gop }), ...(crf === undefined ? {} : { crf }) },
		onEpisode: (numDone) => output.line(`episode ${numDone}/${numEpisodes}`),
		signal: host.signal,
	};
}

/** The folder of a word on the command line. */
export function folderOf(host: Host, word: string | undefined): string {
	return resolve(host.cwd, word ?? "");
}

/** A written dataset as the command's result names it. */
export function writtenDocument({ root, numEpisodes, numFrames, droppedFeatures, videos }: ComposedDataset): {
	dir: string;
	episodes: number;
	frames: number;
	droppedFeatures: readonly string[];
	videos: ComposedDataset["videos"];
} {
	return { dir: root, episodes: numEpisodes, frames: numFrames, droppedFeatures, videos };
}

/** Lines on a written dataset: what happened to its videos, and what it lacks. */
export function writtenLines({ droppedFeatures, videos }: ComposedDataset): string[] {
	const lines = Object.entries(videos).map(([camera, { codec, copied, encoded, reason }]) => {
		const parts = [
			...(copied > 0 ? [`${copied} copied as they were`] : []),
			...(encoded > 0 ? [`${encoded} encoded (${reason})`] : []),
		];
		return `${camera}: ${codec}, ${parts.join(", ")}`;
	});
	if (droppedFeatures.length > 0) lines.push(`left out: ${droppedFeatures.join(", ")}`);
	return lines;
}

/** "12 episodes, 3400 frames in 4 s: /dir" */
export function summaryOf({ root, numEpisodes, numFrames }: ComposedDataset, ms: number): string {
	const noun = numEpisodes === 1 ? "episode" : "episodes";
	return `${numEpisodes} ${noun}, ${numFrames} frames in ${formatDuration(ms)}: ${root}`;
}

/** The answer of a command that wrote one dataset since `startedMs`; `did` begins its sentence, `about` adds to the document. */
export function answerWritten(
	written: ComposedDataset,
	{
		did,
		startedMs,
		about = {},
	}: { readonly did: string; readonly startedMs: number; readonly about?: Readonly<Record<string, unknown>> },
	{ host, output }: { readonly host: Host; readonly output: Output },
): void {
	const ms = host.now() - startedMs;
	output.result({ ...writtenDocument(written), ...about, seconds: ms / 1000 }, () =>
		[`${did} ${summaryOf(written, ms)}`, ...writtenLines(written)].join("\n"),
	);
}
