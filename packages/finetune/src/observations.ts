// The observation feeds of a site's frames: decoded, encoded by an engine, and kept in memory up to a byte budget.
// What is kept is what encoding gave, so a cached frame and a fresh one are the same bits.
import { type Frame, hasFrozenPrefix } from "@zk0/policy";
import { type FeedRow, rowBytes } from "./feed-rows.ts";
import type { PolicyEngine } from "./policy-engine.ts";
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
	/** Feeds of each item, in order. */
	rowsFor(items: readonly number[], engine: PolicyEngine, options?: ReadOptions): Promise<FeedRow[]>;
	/**
	 * Encodes `items` ahead of use, in order of recording (fast to decode), if all of them fit the budget.
	 * @returns whether they are all in memory now
	 */
	prepare(items: readonly number[], engine: PolicyEngine, options?: ReadOptions): Promise<boolean>;
	/** Frames with pictures under the policy's camera keys. */
	framesFor(items: readonly number[], options?: ReadOptions): Promise<RecordedFrame[]>;
	readonly cachedBytes: number;
}

/** Frames decoded at once: enough to keep the decoders busy, little enough for 480x640 pictures. */
const DECODED_AT_ONCE = 32;

/** Observations of `data`, keeping at most `budgetBytes` of feeds. */
export function createObservations(data: SiteData, budgetBytes: number): Observations {
	const rows = new Map<number, FeedRow>();
	let cachedBytes = 0;
	const keep = (item: number, row: FeedRow): void => {
		const size = rowBytes(row);
		if (rows.has(item) || cachedBytes + size > budgetBytes) return;
		rows.set(item, row);
		cachedBytes += size;
	};
	const framesFor: Observations["framesFor"] = async (items, { signal } = {}) => {
		const samples = await data.source.framesAt(items, withSignal(signal));
		return samples.map((sample, position) => {
			const images = new Map<string, NonNullable<ReturnType<(typeof sample.images)["get"]>>>();
			for (const [datasetKey, policyKey] of data.cameraMap) {
				const image = sample.images.get(datasetKey);
				if (image !== undefined) images.set(policyKey, image);
			}
			const { state, task, actions, actionIsPad } = sample;
			return { item: items[position] ?? 0, frame: { images, state, task, actions, actionIsPad } };
		});
	};
	const encodeAll = async (
		items: readonly number[],
		engine: PolicyEngine,
		{ signal }: ReadOptions,
	): Promise<FeedRow[]> => {
		const encoded: FeedRow[] = [];
		let decoded = framesFor(items.slice(0, DECODED_AT_ONCE), { signal });
		for (let at = 0; at < items.length; at += DECODED_AT_ONCE) {
			const frames = await decoded;
			// The next frames are decoded while these are encoded; a failure is reported when their turn comes.
			decoded = framesFor(items.slice(at + DECODED_AT_ONCE, at + 2 * DECODED_AT_ONCE), { signal });
			decoded.catch(() => undefined);
			for (const { item, frame } of frames) {
				signal?.throwIfAborted();
				const row = await engine.encode(frame, data.context, { signal });
				encoded.push(row);
				// Pixels of a policy that trains its backbone are large and cheap to make again.
				if (hasFrozenPrefix(engine.model)) keep(item, row);
			}
		}
		await decoded;
		return encoded;
	};
	const rowsFor: Observations["rowsFor"] = async (items, engine, options = {}) => {
		const missing = [...new Set(items)].filter((item) => !rows.has(item)).sort((a, b) => a - b);
		const fresh = await encodeAll(missing, engine, options);
		const freshByItem = new Map(missing.map((item, index) => [item, fresh[index]]));
		return items.map((item) => {
			const row = rows.get(item) ?? freshByItem.get(item);
			if (row === undefined) throw new RangeError(`observations: no feeds of item ${item}`);
			return row;
		});
	};
	return {
		rowsFor,
		framesFor,
		async prepare(items, engine, options = {}) {
			const [first] = items;
			if (first === undefined || !hasFrozenPrefix(engine.model)) return false;
			const [row] = await rowsFor([first], engine, options);
			if (row === undefined || rowBytes(row) * items.length > budgetBytes) return false;
			for (const part of slices(items, DECODED_AT_ONCE * 8)) await rowsFor(part, engine, options);
			return true;
		},
		get cachedBytes() {
			return cachedBytes;
		},
	};
}

function slices(items: readonly number[], size: number): number[][] {
	const parts: number[][] = [];
	for (let at = 0; at < items.length; at += size) parts.push(items.slice(at, at + size));
	return parts;
}
