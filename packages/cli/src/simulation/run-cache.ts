// The prefix cache of a run: its level is chosen once, before the first step, and written into the configuration.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
	chooseLevel,
	freeDiskBytes,
	inspectStore,
	type LevelChoice,
	openPrefixCache,
	type PrefixCache,
	type Site,
	type StoreEvent,
} from "@zk0/finetune";
import type { PolicyModel } from "@zk0/policy";
import type { RunConfig } from "../config/presets.ts";
import { isStorageError } from "../exit-codes.ts";
import type { RunReporter } from "../progress/reporter.ts";

/** Where a machine's prefix cache lies. */
export function prefixCacheDir(cacheDir: string): string {
	return join(cacheDir, "prefix");
}

/** What opening needs. */
export interface RunCacheOptions {
	readonly config: RunConfig;
	readonly model: PolicyModel;
	readonly sites: readonly Site[];
	/** zk0's cache directory. */
	readonly cacheDir: string;
	readonly reporter: Pick<RunReporter, "note">;
}

/** The cache of a run and the configuration with what was chosen. */
export interface RunCache extends AsyncDisposable {
	/** Null when nothing is kept. */
	readonly cache: PrefixCache | null;
	readonly config: RunConfig;
}

/** Opens the cache that the settings ask for; where that cannot be, the run does without and says so. */
export async function openRunCache(options: RunCacheOptions): Promise<RunCache> {
	const { config, model, reporter } = options;
	const dir = prefixCacheDir(options.cacheDir);
	const without = (why: string | null): RunCache => {
		if (why !== null) reporter.note(`prefix cache off: ${why}`);
		return { cache: null, config: { ...config, cache: "off" }, [Symbol.asyncDispose]: async () => undefined };
	};
	try {
		const { level, whyOff } = await choose(options, dir);
		if (level === "off") return without(whyOff);
		const cache = await openPrefixCache({
			model,
			level,
			dir,
			dtype: config.cacheDtype,
			budgetBytes: config.cacheBudget,
			onEvent: (event) => reporter.note(`prefix cache: ${storeEventText(event)}`),
		});
		if (config.cacheDtype === "bfloat16") {
			reporter.note("prefix cache in bfloat16: what it gives is rounded, results are not exact");
		}
		return {
			cache,
			config: { ...config, cache: level },
			[Symbol.asyncDispose]: () => cache[Symbol.asyncDispose](),
		};
	} catch (error) {
		if (!isStorageError(error)) throw error;
		return without(`${dir} cannot be used: ${error instanceof Error ? error.message : String(error)}`);
	}
}

async function choose({ config, model, sites }: RunCacheOptions, dir: string): Promise<LevelChoice> {
	const request = { wanted: config.cache, model, sites, dtype: config.cacheDtype };
	if (config.cache === "off") {
		return chooseLevel({ ...request, budgetBytes: 0, freeBytes: 0, usedBytes: 0 });
	}
	await mkdir(dir, { recursive: true });
	const usedBytes = (await inspectStore(dir)).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
	const freeBytes = await freeDiskBytes(dir);
	return chooseLevel({ ...request, budgetBytes: config.cacheBudget, freeBytes, usedBytes });
}

function storeEventText(event: StoreEvent): string {
	if (event.kind === "entry-damaged") return "a damaged entry was dropped and is computed again";
	const { reason, message } = event;
	const cure = {
		"disk-full": "free some space",
		"budget-full": "raise --cache-budget",
		storage: "check the disk",
	};
	return `${message}; the run goes on without keeping more (${cure[reason]})`;
}
