// From the name of recordings to a folder on this machine: downloaded, recorded, or there already.
import { dirname, resolve } from "node:path";
import {
	type DatasetSelection,
	digestDataset,
	type LeRobotDataset,
	listDatasetFiles,
	openDataset,
} from "@zk0/dataset";
import { readProfile, type SiteProfile } from "@zk0/doctor";
import { type HubReference, hubSettings, openSnapshot, type Snapshot, type SnapshotContext } from "@zk0/hub";
import { CliError } from "../cli-error.ts";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";
import { recordSites } from "../recordings/record-sites.ts";
import { cacheDirectory } from "../recordings/recording-cache.ts";
import { formatSelection, parseDataUri } from "./data-uri.ts";
import { createDownloadReporter } from "./download-reporter.ts";
import { requireProfiled } from "./profile-options.ts";

/** Recordings on this machine. */
export interface LocatedData {
	readonly dir: string;
	readonly selection: DatasetSelection | undefined;
	/** Names the same recordings later: paths are absolute, revisions of the hub are commits. */
	readonly uri: string;
	/** How the site reads them; null without a profile. */
	readonly profile: SiteProfile | null;
}

/** What locating needs. */
export interface LocateContext {
	readonly host: Host;
	readonly output: Output;
	/** Download every file of a dataset, also what no episode refers to: its metadata may be wrong. @default false */
	readonly everything?: boolean;
}

/** Versions of the format that are read, newest first, as LeRobot tags them; then whatever there is. */
const REVISIONS = ["v3.0", "v2.1", "v2.0", "main"] as const;

/**
 * Locates a dataset; what it lacks is downloaded, a simulated one is recorded.
 * @throws CliError "bad-data-uri", "recording-failed"; HubError; DatasetError for metadata that cannot be read; SimError
 */
export async function locateData(uri: string, context: LocateContext): Promise<LocatedData> {
	const { host, output } = context;
	const source = parseDataUri(uri, host.cwd);
	if (source.kind === "local") {
		const { path, selection } = source;
		const query = formatSelection(selection);
		return { dir: path, selection, uri: query === "" ? path : `local:${path}${query}`, profile: null };
	}
	if (source.kind === "profile") return await locateProfile(source.path, context);
	if (source.kind === "hub") return await download(source.reference, source.selection, context);
	const recorded = await recordSites([{ site: uri, source: source.source }], {
		cacheDir: cacheDirectory(host.env),
		codec: "av1",
		onEpisode: (_, numDone, numEpisodes) => {
			if (numDone === numEpisodes) output.line(`recorded ${numEpisodes} episodes of ${uri}`);
		},
		signal: host.signal,
	});
	return { dir: recorded.get(uri) ?? "", selection: undefined, uri, profile: null };
}

/** Recordings opened, with the profile that names them. */
export interface OpenedData {
	readonly dataset: LeRobotDataset;
	readonly profile: SiteProfile | null;
}

/** Locates a dataset and opens it; of a profile the episodes that it keeps. @throws as `locateData` and `openDataset` */
export async function openData(uri: string, context: LocateContext): Promise<LeRobotDataset> {
	return (await openProfiledData(uri, context)).dataset;
}

/** As `openData`, with the profile. @throws DoctorError "profile-mismatch" for a profile of other recordings */
export async function openProfiledData(uri: string, context: LocateContext): Promise<OpenedData> {
	const { signal } = context.host;
	const { dir, selection, profile } = await locateData(uri, context);
	const dataset = await openDataset(dir, { selection, signal });
	if (profile !== null) {
		requireProfiled(profile, (await digestDataset(dataset, { signal })).fingerprint, uri);
	}
	return { dataset, profile };
}

/** The recordings that a profile names, without its quarantined episodes. */
async function locateProfile(path: string, context: LocateContext): Promise<LocatedData> {
	const profile = await readProfile(path, { signal: context.host.signal });
	const { uri, episodes } = profile.dataset;
	const isPath = parseDataUri(uri, dirname(path)).kind === "local";
	const located = await locateData(isPath ? resolve(dirname(path), uri) : uri, context);
	if (located.profile !== null || located.selection !== undefined) {
		throw new CliError("bad-data-uri", `${path} names ${uri}, which is not a whole dataset`, {
			cure: "write the profile again with `zk0 data doctor --fix profile`",
		});
	}
	const leftOut = new Set(profile.quarantined.map(({ episode }) => episode));
	const numbers = Array.from({ length: episodes + leftOut.size }, (_, episode) => episode);
	const kept = numbers.filter((episode) => !leftOut.has(episode));
	return { ...located, selection: { episodes: kept }, uri: path, profile };
}

async function download(
	reference: HubReference,
	selection: DatasetSelection | undefined,
	{ host, output, everything = false }: LocateContext,
): Promise<LocatedData> {
	using reporter = createDownloadReporter(reference.repo, output.people, host);
	const context: SnapshotContext = {
		settings: await hubSettings(host.env),
		signal: host.signal,
		onProgress: reporter.progress,
	};
	const snapshot: Snapshot = await openSnapshot(
		{ kind: "dataset", reference, defaultRevisions: REVISIONS },
		context,
	);
	await snapshot.fetch(snapshot.paths.filter((path) => path.startsWith("meta/")));
	const { directory, commit, repo } = snapshot;
	await snapshot.fetch(
		everything
			? snapshot.paths.filter((path) => /^(data|videos)\//.test(path))
			: await listDatasetFiles(directory, { selection, signal: host.signal }),
	);
	return {
		dir: directory,
		selection,
		uri: `hf:${repo}@${commit}${formatSelection(selection)}`,
		profile: null,
	};
}
