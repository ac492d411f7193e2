// The viewer of a site that has joined a federation: its own recordings, and the models that it has received. It is opened
// when it is first asked for, and anew when the site joins with other recordings or a run splits them otherwise.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../host.ts";
import { HttpError } from "../http/http-error.ts";
import type { Route } from "../http/route.ts";
import type { ClientHome } from "../network/home.ts";
import { type KeptRound, listKeptRounds } from "../network/kept-rounds.ts";
import { readJsonFile } from "../network/private-file.ts";
import { type ClientSettings, clientSettingsSchema } from "../network/site-identity.ts";
import { startPlaces } from "../network/start-files.ts";
import type { Output } from "../output.ts";
import { openProfiledData } from "../sources/locate-data.ts";
import type { ViewedModel } from "./models.ts";
import { openViewer, type Viewer } from "./viewer.ts";
import { viewerRoutes } from "./viewer-routes.ts";

/** The surroundings of a site's viewer. */
export interface SiteViewerOptions {
	readonly home: ClientHome;
	readonly host: Host;
	readonly output: Output;
}

/** Routes to serve; disposing them ends predictions and decoders. */
export interface SiteViewer extends AsyncDisposable {
	readonly routes: readonly Route[];
}

/** The viewer of the site. */
export function createSiteViewer(options: SiteViewerOptions): SiteViewer {
	const { home } = options;
	let current: { readonly key: string; readonly viewer: Promise<Viewer> } | null = null;
	/** Whoever asked for one that could not be opened was told why. */
	const close = async (closing: typeof current): Promise<void> =>
		closing?.viewer.then(
			(viewer) => viewer[Symbol.asyncDispose](),
			() => undefined,
		);
	const open = async (): Promise<Viewer> => {
		const settings = await readJsonFile(home.settings, clientSettingsSchema);
		if (settings === undefined)
			throw new HttpError(
				"not-found",
				"this site's recordings are shown here once it has joined a federation",
			);
		const latest = (await listKeptRounds(home.rounds)).at(-1);
		const split = latest === undefined ? null : { wanted: latest.heldOut, seed: latest.seed };
		const key = JSON.stringify([settings.data, settings.site, settings.camera, split]);
		if (current?.key === key) return await current.viewer;
		// Takes its place before the other one is closed: of requests that come together, all get the same.
		const opening = { key, viewer: close(current).then(() => openOf(settings, split, options)) };
		current = opening;
		opening.viewer.catch(() => {
			// Tried again when it is asked for again.
			if (current === opening) current = null;
		});
		return await opening.viewer;
	};
	return {
		routes: viewerRoutes(open),
		async [Symbol.asyncDispose]() {
			const closing = current;
			current = null;
			await close(closing);
		},
	};
}

async function openOf(
	{ site, data, camera, threads, device }: ClientSettings,
	heldOut: Parameters<typeof openViewer>[0]["heldOut"],
	{ home, host, output }: SiteViewerOptions,
): Promise<Viewer> {
	return openViewer({
		name: site,
		data: await openProfiledData(data, { host, output }),
		models: async () => modelsOf(home, await listKeptRounds(home.rounds)),
		heldOut,
		camera: camera ?? undefined,
		every: null,
		seed: 42,
		threads,
		device,
		host,
	});
}

/** The start model and the last rounds of the run that the site worked for last, where their files are. */
function modelsOf(home: ClientHome, kept: readonly KeptRound[]): ViewedModel[] {
	const latest = kept.at(-1);
	return kept.flatMap(({ runId, round, key, weights, files }) => {
		const { directory, baseDir } = startPlaces(home.models, files);
		if (runId !== latest?.runId || !existsSync(join(directory, "config.json"))) return [];
		const label = round === 0 ? "Base model" : `Round ${round}`;
		const id = `round-${round}-${key.slice(0, 8)}`;
		return [
			{ id, label, round, checkpoint: directory, ...(baseDir === undefined ? {} : { baseDir }), weights },
		];
	});
}
