// `sim:` URIs: recordings named by what makes them, e.g. `sim:reach-red,reach-blue?episodes=12&seed=3&size=128x96`.
// The part after the colon is a list of task ids, or the name of a demonstration site (its tasks and its domain),
// or a split ("pretrain", "demo").
import { didYouMean, nearest } from "@zk0/arrays";
import { SimError } from "./errors.ts";
import type { ImageSize } from "./render/renderer.ts";
import { DEMO_SITES, findTask, TASKS, tasksOf } from "./tasks.ts";
import { DEFAULT_IMAGE } from "./world.ts";

/** What a `sim:` URI asks for, every default filled in. */
export interface SimSource {
	readonly tasks: readonly string[];
	readonly episodes: number;
	readonly seed: number;
	readonly image: ImageSize;
	readonly fps: number;
	/** Name of the workplace; undefined for the neutral one. */
	readonly domain: string | undefined;
	/** Whether every episode has a workplace of its own. */
	readonly varyDomain: boolean;
}

const DEFAULTS = { episodes: 12, seed: 0, image: DEFAULT_IMAGE, fps: 10 } as const;
const KEYS = ["episodes", "seed", "size", "fps", "domain", "vary"] as const;

/** Sides of a picture: video encoders refuse less, memory for an episode more. */
const [MIN_SIDE, MAX_SIDE] = [64, 1920];
/** Most episodes of one recording. */
const MAX_EPISODES = 100_000;

/** True when the text is a `sim:` URI, well-formed or not. */
export function isSimUri(text: string): boolean {
	return text.startsWith("sim:");
}

/**
 * Parses `sim:<task>[,<task>…][?episodes=12&seed=0&size=128x96&fps=10&domain=a&vary=1]`; size is width x height.
 * @throws SimError `bad-uri` for a wrong form, key or value; `unknown-task` for a task that does not exist.
 * @example
 * parseSimUri("sim:reach-red?episodes=4").episodes; // 4
 */
export function parseSimUri(uri: string): SimSource {
	const match = /^sim:([^?#]*)(?:\?([^#]*))?$/.exec(uri);
	const path = match?.[1];
	if (match === null || path === undefined || path === "") {
		throw new SimError(
			"bad-uri",
			`"${uri}" is not sim:<task>[?key=value&…]; for example sim:reach-red?episodes=12`,
		);
	}
	const options = readOptions(uri, match[2] ?? "");
	const { tasks, domain } = tasksOfPath(path);
	const number = (key: (typeof KEYS)[number], fallback: number, min: number, max: number): number => {
		const text = options.get(key);
		if (text === undefined) return fallback;
		const value = Number(text);
		if (/^\d+$/.test(text) && value >= min && value <= max) return value;
		throw new SimError("bad-uri", `${key}=${text} in "${uri}": expected a whole number in ${min}..${max}`);
	};
	const vary = options.get("vary") ?? "0";
	if (vary !== "0" && vary !== "1")
		throw new SimError("bad-uri", `vary=${vary} in "${uri}": expected 0 or 1`);
	return {
		tasks,
		episodes: number("episodes", DEFAULTS.episodes, 1, MAX_EPISODES),
		seed: number("seed", DEFAULTS.seed, 0, Number.MAX_SAFE_INTEGER),
		image: readSize(uri, options.get("size")),
		fps: number("fps", DEFAULTS.fps, 5, 60),
		domain: options.get("domain") ?? domain,
		varyDomain: vary === "1",
	};
}

/** The URI of a source, with every value written out: equal sources give equal text, so it can serve as a key. */
export function formatSimUri(source: SimSource): string {
	const options = new URLSearchParams({
		episodes: String(source.episodes),
		seed: String(source.seed),
		size: `${source.image.width}x${source.image.height}`,
		fps: String(source.fps),
	});
	if (source.domain !== undefined) options.set("domain", source.domain);
	if (source.varyDomain) options.set("vary", "1");
	return `sim:${source.tasks.join(",")}?${options.toString()}`;
}

function tasksOfPath(path: string): { tasks: string[]; domain: string | undefined } {
	const site = DEMO_SITES.find((candidate) => candidate.name === path);
	if (site !== undefined) return { tasks: [...site.taskIds], domain: site.domain };
	if (path === "pretrain" || path === "demo")
		return { tasks: tasksOf(path).map((task) => task.id), domain: undefined };
	const names = path.split(",");
	// A single unknown word may be a misspelt site; findTask names the tasks, so name the sites first.
	const known = [...TASKS.map((task) => task.id), ...DEMO_SITES.map((candidate) => candidate.name)];
	const meant = nearest(path, known);
	if (names.length === 1 && meant !== undefined && DEMO_SITES.some((candidate) => candidate.name === meant)) {
		throw new SimError("unknown-task", `no task or site "${path}"; did you mean "${meant}"?`);
	}
	return { tasks: names.map((name) => findTask(name).id), domain: undefined };
}

function readOptions(uri: string, query: string): Map<string, string> {
	const options = new Map<string, string>();
	for (const [key, value] of new URLSearchParams(query)) {
		if (!KEYS.some((known) => known === key)) {
			throw new SimError(
				"bad-uri",
				`unknown key "${key}" in "${uri}"${didYouMean(key, KEYS)} Keys: ${KEYS.join(", ")}`,
			);
		}
		if (options.has(key)) throw new SimError("bad-uri", `"${key}" is given twice in "${uri}"; keep one`);
		options.set(key, value);
	}
	return options;
}

function readSize(uri: string, text: string | undefined): ImageSize {
	if (text === undefined) return DEFAULTS.image;
	const match = /^(\d{1,4})x(\d{1,4})$/.exec(text);
	const width = Number(match?.[1]);
	const height = Number(match?.[2]);
	if (
		match !== null &&
		width >= MIN_SIDE &&
		height >= MIN_SIDE &&
		width <= MAX_SIDE &&
		height <= MAX_SIDE &&
		width % 2 === 0 &&
		height % 2 === 0
	) {
		return { height, width };
	}
	throw new SimError(
		"bad-uri",
		`size=${text} in "${uri}": expected even <width>x<height> in ${MIN_SIDE}..${MAX_SIDE}, such as 128x96`,
	);
}
