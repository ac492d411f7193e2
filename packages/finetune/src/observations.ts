// The observation feeds of a site's frames, as an engine gives them: what the engine keeps is never decoded again.
import type { NdArray } from "@zk0/arrays";
import type { Sample } from "@zk0/dataset";
import type { Frame } from "@zk0/policy";
import { gatherRows } from "./feed-rows.ts";
import type { PolicyEngine } from "./policy-engine.ts";
import { type CacheCounts, type Observation, type Pictures, zeroCounts } from "./prefix-cache/encoder.ts";
import { withSignal } from "./signal-option.ts";
import type { SiteData } from "./site-data.ts";

/** One decoded frame with its recorded chunk. */
export interface RecordedFrame {
	/** Row of the dataset. */
	readonly item: number;
	readonly frame: Frame & Required<Pick<Frame, "actions" | "actionIsPad">>;
}

/** Options of reading. */
export interface ReadOptions {
	readonly signal?: AbortSignal | undefined;
}

/** Feeds of a site's frames. */
export interface Observations {
	/** Feeds `[items, ...]`, in order; an item may come several times. */
	feedsFor(
		items: readonly number[],
		engine: PolicyEngine,
		options?: ReadOptions,
	): Promise<Map<string, NdArray>>;
	/** Frames with pictures under the policy's camera keys. */
	framesFor(items: readonly number[], options?: ReadOptions): Promise<RecordedFrame[]>;
	/** What became of all frames asked for so far. */
	readonly counts: Readonly<CacheCounts>;
}

/** Observations of `data`. */
export function createObservations(data: SiteData): Observations {
	const counts = zeroCounts();
	const picturesOf = ({ images }: Sample): Pictures =>
		new Map(
			[...data.cameraMap].flatMap(([datasetKey, policyKey]) => {
				const image = images.get(datasetKey);
				return image === undefined ? [] : [[policyKey, image] as const];
			}),
		);
	return {
		counts,
		async feedsFor(items, engine, { signal } = {}) {
			const unique = [...new Set(items)];
			const feeds = await engine.observe(
				unique.map((item) => observationOf(data, item)),
				data.context,
				{
					counts,
					signal,
					pictures: async (numbers) => {
						const wanted = numbers.map((number) => unique[number] ?? 0);
						return (await data.source.framesAt(wanted, withSignal(signal))).map(picturesOf);
					},
				},
			);
			if (unique.length === items.length) return feeds;
			const numbers = new Map(unique.map((item, number) => [item, number]));
			return gatherRows(
				feeds,
				items.map((item) => numbers.get(item) ?? 0),
			);
		},
		async framesFor(items, { signal } = {}) {
			const samples = await data.source.framesAt(items, withSignal(signal));
			return samples.map((sample, index) => {
				const { state, task, actions, actionIsPad } = sample;
				return {
					item: items[index] ?? 0,
					frame: { images: picturesOf(sample), state, task, actions, actionIsPad },
				};
			});
		},
	};
}

/** What is known of a frame without decoding it. */
function observationOf({ source, dataset, cameraMap, digest }: SiteData, item: number): Observation {
	const { rows } = source;
	const [episodeIndex = 0, frameIndex = 0] = [rows.episodeIndex[item], rows.frameIndex[item]];
	return {
		state: rows.state.subarray(item * rows.stateDim, (item + 1) * rows.stateDim),
		task: dataset.tasks[rows.taskIndex[item] ?? 0] ?? "",
		cameras: new Set(cameraMap.values()),
		pictureNames: new Map(
			[...cameraMap].map(([camera, policyKey]) => [
				policyKey,
				digest.pictureName({ episodeIndex, frameIndex, camera }),
			]),
		),
	};
}
