// Who takes part in a simulation and with which data: from --data, or made up from the demonstration sites.
import { DEMO_SITES, isSimUri, parseSimUri, type SimSource } from "@zk0/sim";
import type { RunConfig } from "../config/presets.ts";
import { type LocateContext, type LocatedData, locateData } from "../sources/locate-data.ts";

/** A site and where its data come from. */
export interface SitePlan {
	readonly name: string;
	/** Recordings as `locateData` takes them; a sim: URI has every setting. */
	readonly uri: string;
	/** What to record, or null for a dataset on disk or on the hub. */
	readonly source: SimSource | null;
}

/** A plan whose dataset, if it is not to be recorded, is on this machine; its URI names it wherever it is resumed. */
export interface LocatedPlan extends SitePlan {
	/** Null for a simulated site. */
	readonly located: LocatedData | null;
}

/** The settings that matter here. */
export type SiteSettings = Pick<RunConfig, "data" | "sites" | "episodes" | "imageSize" | "seed">;

/**
 * The sites in alphabetical order.
 * @throws SimError "bad-uri", "unknown-task"
 */
export function planSites(settings: SiteSettings): SitePlan[] {
	const given = settings.data ?? demoData(settings);
	const plans = Object.entries(given).map(([name, uri]): SitePlan => {
		if (!isSimUri(uri)) return { name, uri, source: null };
		const full = withDefaults(uri, settings);
		return { name, uri: full, source: parseSimUri(full) };
	});
	return plans.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Locates, and downloads where needed, the datasets of all sites but the simulated ones.
 * @throws as `locateData`
 */
export async function locatePlans(
	plans: readonly SitePlan[],
	context: LocateContext,
): Promise<LocatedPlan[]> {
	const found: LocatedPlan[] = [];
	for (const plan of plans) {
		const located = plan.source === null ? await locateData(plan.uri, context) : null;
		found.push({ ...plan, located, uri: located?.uri ?? plan.uri });
	}
	return found;
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
