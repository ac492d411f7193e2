// Who takes part in a simulation and with which data: from --data, or made up from the demonstration sites.
import { resolve } from "node:path";
import { DEMO_SITES, isSimUri, parseSimUri, type SimSource } from "@zk0/sim";
import type { RunConfig } from "../config/presets.ts";

/** A site and where its data come from. */
export interface SitePlan {
	readonly name: string;
	/** A dataset's directory, or a sim: URI as given. */
	readonly uri: string;
	/** What to record, or null for a dataset on disk. */
	readonly source: SimSource | null;
}

/** The settings that matter here. */
export type SiteSettings = Pick<RunConfig, "data" | "sites" | "episodes" | "imageSize" | "seed">;

/**
 * The sites in alphabetical order. Paths are resolved against `cwd`.
 * @throws SimError "bad-uri", "unknown-task"
 */
export function planSites(settings: SiteSettings, cwd: string): SitePlan[] {
	const given = settings.data ?? demoData(settings);
	const plans = Object.entries(given).map(([name, uri]): SitePlan => {
		if (!isSimUri(uri)) return { name, uri: resolve(cwd, uri), source: null };
		const full = withDefaults(uri, settings);
		return { name, uri: full, source: parseSimUri(full) };
	});
	return plans.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Demonstration sites; beyond the fourth they repeat the tasks at workplaces of their own. */
function demoData({ sites }: SiteSettings): Record<string, string> {
	const data: Record<string, string> = {};
	for (let index = 0; index < sites; index++) {
		const demo = DEMO_SITES[index % DEMO_SITES.length];
		if (demo === undefined) throw new RangeError("planSites: there are no demonstration sites");
		if (index < DEMO_SITES.length) data[demo.name] = `sim:${demo.name}`;
		else {
			const name = `site-${index + 1}`;
			data[name] = `sim:${demo.taskIds.join(",")}?domain=${name}`;
		}
	}
	return data;
}

/** The URI with the run's settings for what it does not say itself. */
function withDefaults(uri: string, { episodes, imageSize: [height, width], seed }: SiteSettings): string {
	const [path = uri, query = ""] = uri.split("?", 2);
	const options = new URLSearchParams(query);
	const defaults = { episodes: String(episodes), seed: String(seed), size: `${width}x${height}` };
	for (const [key, value] of Object.entries(defaults)) if (!options.has(key)) options.set(key, value);
	return `${path}?${options.toString()}`;
}
