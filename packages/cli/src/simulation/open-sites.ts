// The sites of a run, opened on their data: recordings made or found, datasets checked against the policy.
import { sha256Hex } from "@zk0/arrays/node";
import { openDataset } from "@zk0/dataset";
import { createSite, type PolicyInputs, type Site } from "@zk0/finetune";
import type { RunConfig } from "../config/presets.ts";
import type { RunReporter } from "../progress/reporter.ts";
import { recordSites } from "../recordings/record-sites.ts";
import type { LocatedData } from "../sources/locate-data.ts";
import { profileOptions, requireProfiled } from "../sources/profile-options.ts";
import type { LocatedPlan } from "./site-plans.ts";

/** A site on its data. */
export interface OpenedSite {
	readonly plan: LocatedPlan;
	readonly site: Site;
	/** Names the content of the data. */
	readonly fingerprint: string;
}

/** All sites of a run, in the order of their names. */
export interface OpenedSites extends AsyncDisposable {
	readonly sites: readonly OpenedSite[];
}

/** What opening needs. */
export interface OpenSitesOptions {
	readonly config: Pick<RunConfig, "camera" | "codec" | "heldOut" | "evalFrames" | "sampledFrames" | "seed">;
	readonly policy: PolicyInputs;
	readonly cacheDir: string;
	readonly reporter: RunReporter;
	readonly signal: AbortSignal;
}

/**
 * Records what has to be recorded, opens every dataset and looks at it through the policy.
 * @throws CliError "recording-failed"; DatasetError, FinetuneError for data that cannot be used
 */
export async function openSites(
	plans: readonly LocatedPlan[],
	options: OpenSitesOptions,
): Promise<OpenedSites> {
	const { config, signal } = options;
	const simulated = plans.flatMap(({ name, source }) => (source === null ? [] : [{ site: name, source }]));
	const recorded = await recordSites(simulated, {
		cacheDir: options.cacheDir,
		codec: config.codec,
		onEpisode: (site, numDone, numEpisodes) => options.reporter.recording(site, numDone, numEpisodes),
		signal,
	});
	const sites: OpenedSite[] = [];
	const close = async (): Promise<void> => {
		for (const { site } of sites.splice(0).reverse()) await site[Symbol.asyncDispose]();
	};
	try {
		for (const plan of plans) {
			signal.throwIfAborted();
			const data = plan.located ?? {
				dir: recorded.get(plan.name) ?? "",
				selection: undefined,
				profile: null,
			};
			sites.push(await openSite(plan, data, options));
		}
	} catch (error) {
		await close();
		throw error;
	}
	return { sites: [...sites], [Symbol.asyncDispose]: close };
}

async function openSite(
	plan: LocatedPlan,
	{ dir, selection, profile }: Pick<LocatedData, "dir" | "selection" | "profile">,
	options: OpenSitesOptions,
): Promise<OpenedSite> {
	const { config, policy, signal } = options;
	const dataset = await openDataset(dir, { selection, signal });
	const site = await createSite({
		name: plan.name,
		dataset,
		policy,
		...(profile === null ? {} : profileOptions(profile)),
		cameraMap: camerasOf(plan.name, config.camera) ?? profile?.cameras,
		// A list is a wish of this run; the share has a default, which a profile's list replaces.
		heldOut: typeof config.heldOut === "number" ? (profile?.heldOut ?? config.heldOut) : config.heldOut,
		splitSeed: config.seed,
		evalFrames: config.evalFrames,
		sampledFrames: config.sampledFrames,
		onLostFrame: ({ site, episodeIndex, frameIndex, camera, reason }) =>
			options.reporter.note(
				`${site}: episode ${episodeIndex} frame ${frameIndex} of ${camera} is left out: ${reason}`,
			),
		signal,
	});
	const { fingerprint } = site.data.digest;
	if (profile === null) return { plan, site, fingerprint };
	try {
		requireProfiled(profile, fingerprint, plan.uri);
	} catch (error) {
		await site[Symbol.asyncDispose]();
		throw error;
	}
	// What a profile says decides what is learnt, so that it is part of what names the data.
	return { plan, site, fingerprint: sha256Hex(`${fingerprint} ${JSON.stringify(profile)}`) };
}

/** The cameras that the settings name for a site: its own entries win over those for every site. */
export function camerasOf(site: string, camera: RunConfig["camera"]): Record<string, string> | undefined {
	const entries = Object.entries(camera ?? {});
	const shared = entries.filter(([key]) => !key.includes("/"));
	const own = entries.flatMap(([key, to]): [string, string][] =>
		key.startsWith(`${site}/`) ? [[key.slice(site.length + 1), to]] : [],
	);
	return shared.length + own.length === 0 ? undefined : Object.fromEntries([...shared, ...own]);
}
