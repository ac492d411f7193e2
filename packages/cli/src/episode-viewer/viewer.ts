// The episode viewer of some recordings: what its routes serve, and what has to be closed after them.
import { join } from "node:path";
import { type EpisodeSplit, splitEpisodes } from "@zk0/dataset";
import { systemClock } from "@zk0/federation";
import type { Host } from "../host.ts";
import { cacheDirectory } from "../recordings/recording-cache.ts";
import type { OpenedData } from "../sources/locate-data.ts";
import { createPredictor, type PredictorOptions } from "./predictor.ts";
import { viewRecordings } from "./recordings.ts";
import type { ViewerSources } from "./viewer-routes.ts";

/** What is viewed. */
export interface ViewerOptions
	extends Pick<PredictorOptions, "models" | "camera" | "every" | "seed" | "threads" | "device"> {
	/** Name of the recordings, for people. */
	readonly name: string;
	readonly data: OpenedData;
	/** Episodes that a run held out, as it was told to; null: no run. */
	readonly heldOut: { readonly wanted: number | readonly number[]; readonly seed: number } | null;
	readonly host: Host;
}

/** An open viewer; disposing it ends predictions and decoders. */
export interface Viewer extends ViewerSources, AsyncDisposable {}

/** Opens the viewer of recordings. @throws DatasetError "bad-selection" for held-out episodes that are not there */
export function openViewer(options: ViewerOptions): Viewer {
	const { name, data, models, camera, every, seed, threads, device, host } = options;
	const { dataset, profile } = data;
	const recordings = viewRecordings({ name, dataset, split: splitOf(options) });
	const cacheDir = join(cacheDirectory(host.env), "predictions");
	const settings = { every, seed, threads, device, cacheDir, host };
	const predictor = createPredictor({ recordings, profile, camera, models, ...settings });
	return {
		recordings,
		predictor,
		models,
		clock: systemClock(),
		async [Symbol.asyncDispose]() {
			await predictor[Symbol.asyncDispose]();
			await recordings[Symbol.asyncDispose]();
		},
	};
}

/** The parts as a run sees them: a share is a default, which a profile's list replaces. */
function splitOf({ data: { dataset, profile }, heldOut }: ViewerOptions): EpisodeSplit | null {
	const wanted = typeof heldOut?.wanted === "object" ? heldOut.wanted : profile?.heldOut;
	if (wanted !== undefined)
		return splitEpisodes(dataset.episodes, { heldOut: wanted, seed: heldOut?.seed ?? 0 });
	if (heldOut === null) return null;
	return splitEpisodes(dataset.episodes, { heldOut: heldOut.wanted, seed: heldOut.seed });
}
