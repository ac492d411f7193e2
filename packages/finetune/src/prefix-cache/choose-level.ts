// Which level a run keeps, decided once before the first step: keys and values when those of every frame fit, else
// image tokens when they fit, else nothing. All levels give the same bits (float32), so this is about time and space.
import {
	FEED,
	hasFrozenPrefix,
	modelDims,
	type PolicyModel,
	prefixLayout,
	preparePrompts,
} from "@zk0/policy";
import type { Site } from "../site.ts";
import { type EntryDtype, NUMBER_BYTES } from "./entry-codec.ts";
import { RECORD_BYTES } from "./index-record.ts";
import type { CacheLevel } from "./prefix-cache.ts";
import { validColumns } from "./valid-columns.ts";

/** What is asked for. */
export interface LevelRequest {
	/** "auto" chooses; a level is taken whether everything fits or not. */
	readonly wanted: "auto" | CacheLevel | "off";
	readonly model: PolicyModel;
	readonly sites: readonly Site[];
	readonly dtype: EntryDtype;
	readonly budgetBytes: number;
	/** Free space of the disk, and what the store occupies already. */
	readonly freeBytes: number;
	readonly usedBytes: number;
}

/** What is kept, and why. */
export interface LevelChoice {
	readonly level: CacheLevel | "off";
	/** Bytes of every frame of every site at this level; 0 when off. */
	readonly neededBytes: number;
	/** Why nothing is kept although it was not switched off; null otherwise. */
	readonly whyOff: string | null;
}

/** Share of the free disk that a cache may take. */
const DISK_SHARE = 0.9;

/** The level of a run. */
export function chooseLevel(request: LevelRequest): LevelChoice {
	const { wanted, model, budgetBytes, freeBytes, usedBytes } = request;
	const off = (whyOff: string | null): LevelChoice => ({ level: "off", neededBytes: 0, whyOff });
	if (wanted === "off") return off(null);
	if (!hasFrozenPrefix(model)) {
		return off(
			"the configuration trains vision or language layers, so what they give changes with every step",
		);
	}
	const needs = { kv: bytesNeeded(request, "kv"), connector: bytesNeeded(request, "connector") };
	if (wanted !== "auto") return { level: wanted, neededBytes: needs[wanted], whyOff: null };
	const room = Math.min(budgetBytes, DISK_SHARE * freeBytes + usedBytes);
	for (const level of ["kv", "connector"] as const) {
		if (needs[level] <= room) return { level, neededBytes: needs[level], whyOff: null };
	}
	const limit = room < budgetBytes ? "the disk has room for" : "the budget is";
	return off(`image tokens of all frames take ${needs.connector} bytes, ${limit} ${Math.floor(room)}`);
}

/** Bytes of all frames that training and evaluation ask for. */
function bytesNeeded({ model, sites, dtype }: LevelRequest, level: CacheLevel): number {
	return sites.reduce((sum, site) => {
		const { data, evalItems, sampledItems } = site;
		const numFrames = new Set([...data.trainItems, ...evalItems, ...sampledItems]).size;
		const numbers = level === "kv" ? kvNumbers(site) : tokenNumbers(model, site);
		const numEntries = level === "kv" ? 1 : data.cameraMap.size;
		return sum + numFrames * (numbers * NUMBER_BYTES[dtype] + numEntries * RECORD_BYTES);
	}, 0);
}

function tokenNumbers({ config, vlm }: PolicyModel, { data }: Site): number {
	const { vision, text } = modelDims(config, vlm);
	return data.cameraMap.size * vision.tokensPerImage * text.width;
}

/** Numbers of a frame's keys and values, for the longest sentence of the site. */
function kvNumbers({ data }: Site): number {
	const { config, vlm } = data.context;
	const dims = modelDims(config, vlm);
	const { numTokens } = prefixLayout(config, dims, data.context);
	const prompts = data.dataset.tasks.map((task) => ({
		task,
		state: new Float32Array(dims.stateLength),
		cameras: new Set(data.cameraMap.values()),
	}));
	const bias = preparePrompts(prompts, data.context).get(FEED.prefixBias)?.data;
	if (!(bias instanceof Float32Array)) throw new TypeError("chooseLevel: the prefix bias is not float32");
	const lengths = prompts.map((_, row) =>
		validColumns(bias.subarray(row * numTokens, (row + 1) * numTokens)).reduce(
			(sum, [start, end]) => sum + end - start,
			0,
		),
	);
	const { numLayers, numKvHeads, headDim } = dims.text;
	return Math.max(...lengths) * numLayers * 2 * numKvHeads * headDim;
}
