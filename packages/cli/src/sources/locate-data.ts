// From the name of recordings to a folder on this machine: downloaded, recorded, or there already.
import { type DatasetSelection, type LeRobotDataset, listDatasetFiles, openDataset } from "@zk0/dataset";
import { type HubReference, hubSettings, openSnapshot, type Snapshot, type SnapshotContext } from "@zk0/hub";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";
import { recordSites } from "../recordings/record-sites.ts";
import { cacheDirectory } from "../recordings/recording-cache.ts";
import { formatSelection, parseDataUri } from "./data-uri.ts";
import { createDownloadReporter } from "./download-reporter.ts";

/** Recordings on this machine. */
export interface LocatedData {
	readonly dir: string;
	readonly selection: DatasetSelection | undefined;
	/** Names the same recordings later: paths are absolute, revisions of the hub are commits. */
	readonly uri: string;
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
		return { dir: path, selection, uri: query === "" ? path : `local:${path}${query}` };
	}
	if (source.kind === "hub") return await download(source.reference, source.selection, context);
	const recorded = await recordSites([{ site: uri, source: source.source }], {
		cacheDir: cacheDirectory(host.env),
		codec: "av1",
		onEpisode: (_, numDone, numEpisodes) => {
			if (numDone === numEpisodes) output.line(`recorded ${numEpisodes} episodes of ${uri}`);
		},
		signal: host.signal,
	});
	return { dir: recorded.get(uri) ?? "", selection: undefined, uri };
}

/** Locates a dataset and opens it. @throws as `locateData` and `openDataset` */
export async function openData(uri: string, context: LocateContext): Promise<LeRobotDataset> {
	const { dir, selection } = await locateData(uri, context);
	return await openDataset(dir, { selection, signal: context.host.signal });
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
	return { dir: directory, selection, uri: `hf:${repo}@${commit}${formatSelection(selection)}` };
}
