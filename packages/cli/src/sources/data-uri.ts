// How commands name recordings: a path, `local:<path>`, `hf:<user>/<name>[@revision]`, `sim:<task>`, or a site
// profile's `.json`; `local:` and
// `hf:` take `?episodes=0-9,12&cameras=top,wrist` for a part of a dataset.
import { resolve } from "node:path";
import type { DatasetSelection } from "@zk0/dataset";
import { type HubReference, isHubReference, parseHubReference } from "@zk0/hub";
import { isSimUri, parseSimUri, type SimSource } from "@zk0/sim";
import { parseEpisodeList } from "../arguments/episode-list.ts";
import { CliError } from "../cli-error.ts";

/** What a URI names. */
export type DataSource =
	| { readonly kind: "sim"; readonly source: SimSource }
	| {
			readonly kind: "hub";
			readonly reference: HubReference;
			readonly selection: DatasetSelection | undefined;
	  }
	| { readonly kind: "local"; readonly path: string; readonly selection: DatasetSelection | undefined }
	/** A site profile that the doctor wrote, which names its recordings. */
	| { readonly kind: "profile"; readonly path: string };

const LOCAL = "local:";
const CURE = "see `zk0 help data`";

/**
 * Parses a URI; paths are resolved against `cwd`.
 * @throws CliError "bad-data-uri"; HubError "bad-reference"; SimError "bad-uri", "unknown-task"
 */
export function parseDataUri(uri: string, cwd: string): DataSource {
	if (isSimUri(uri)) return { kind: "sim", source: parseSimUri(uri) };
	const [place = "", query] = uri.split(/\?(.*)/s, 2);
	if (isHubReference(uri)) {
		return { kind: "hub", reference: parseHubReference(place), selection: parseSelection(uri, query) };
	}
	if (uri.startsWith(LOCAL)) {
		const path = resolve(cwd, place.slice(LOCAL.length));
		return { kind: "local", path, selection: parseSelection(uri, query) };
	}
	// A single letter before a colon is a Windows drive.
	const [, scheme] = /^([a-z][a-z0-9+-]+):/.exec(uri) ?? [];
	if (scheme !== undefined) {
		throw new CliError("bad-data-uri", `"${uri}": "${scheme}:" is not a source of recordings`, {
			cure: CURE,
		});
	}
	const path = resolve(cwd, uri);
	return path.endsWith(".json") ? { kind: "profile", path } : { kind: "local", path, selection: undefined };
}

function parseSelection(uri: string, query: string | undefined): DatasetSelection | undefined {
	if (query === undefined || query === "") return undefined;
	let episodes: number[] | undefined;
	let cameras: string[] | undefined;
	for (const [key, value] of new URLSearchParams(query)) {
		if (key === "episodes") {
			const list = parseEpisodeList(value);
			if ("problem" in list) throw new CliError("bad-data-uri", `"${uri}": ${list.problem}`, { cure: CURE });
			episodes = [...list.episodes].sort((a, b) => a - b);
		} else if (key === "cameras") cameras = value.split(",").filter((name) => name !== "");
		else {
			throw new CliError("bad-data-uri", `"${uri}": "${key}" is neither episodes nor cameras`, {
				cure: CURE,
			});
		}
	}
	return { episodes, cameras };
}

/** A selection as the query of a URI, with its question mark; empty for everything. */
export function formatSelection(selection: DatasetSelection | undefined): string {
	const { episodes, cameras } = selection ?? {};
	const parts: string[] = [];
	if (episodes !== undefined) parts.push(`episodes=${formatEpisodes(episodes)}`);
	if (cameras !== undefined) parts.push(`cameras=${cameras.join(",")}`);
	return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

function formatEpisodes(episodes: readonly number[]): string {
	const ranges: [number, number][] = [];
	for (const episode of episodes) {
		const last = ranges.at(-1);
		if (last !== undefined && last[1] + 1 === episode) last[1] = episode;
		else ranges.push([episode, episode]);
	}
	return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
}
