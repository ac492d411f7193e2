// Reads a dataset's metadata as far as it can be read: what openDataset would refuse becomes a problem in the list.
import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
	cameraKeysOf,
	type DatasetInfo,
	type DatasetLayout,
	type Episode,
	findLayout,
	infoSchema,
	placeEpisodes,
} from "@zk0/dataset";
import { z } from "zod";
import { DoctorError } from "../errors.ts";
import { fileCondition } from "./file-condition.ts";
import { type Problem, reasonOf } from "./problem.ts";
import { readStoredStats, type StoredStats } from "./stored-stats.ts";

/** A dataset's metadata and the damage met while reading it. */
export interface Survey {
	/** Absolute path. */
	readonly root: string;
	/** Null when info.json says too little to look further. */
	readonly description: Description | null;
	readonly problems: readonly Problem[];
}

/** What the metadata says. */
export interface Description {
	readonly info: DatasetInfo;
	/** Which of info.json's counts are there to be compared. */
	readonly hasCounts: boolean;
	readonly layout: DatasetLayout;
	readonly cameraKeys: readonly string[];
	/** Task sentences by index; null when the table cannot be read. */
	readonly tasks: readonly string[] | null;
	/** As in the episode table, in its order of index; null when the table cannot be read. */
	readonly episodes: readonly Episode[] | null;
	/** Data files to read: those of the episodes, then those that lie in data/ besides. Absolute paths. */
	readonly dataFiles: readonly string[];
	readonly stored: StoredStats | null;
}

/**
 * Surveys the dataset at `dir`.
 * @throws DoctorError "not-found", "not-a-dataset"
 */
export async function surveyDataset(
	dir: string,
	{ signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Survey> {
	const root = resolve(dir);
	const problems: Problem[] = [];
	await checkIsDataset(root);
	const infoPath = join(root, "meta/info.json");
	const info = await readInfo(infoPath, problems, signal);
	if (info === null) return { root, description: null, problems };
	const layout = findLayout(info.value.codebase_version);
	if (layout === undefined) {
		problems.push({
			code: "version-unsupported",
			message: `info.json says format ${info.value.codebase_version}`,
			file: infoPath,
		});
		return { root, description: null, problems };
	}
	const filled: DatasetInfo = {
		...info.value,
		features: possibleFeatures(info.value.features, infoPath, problems),
		data_path: info.value.data_path ?? layout.dataPath,
		video_path: info.value.video_path === undefined ? layout.videoPath : info.value.video_path,
	};
	const attempt = async <T>(what: string, read: () => Promise<T>): Promise<T | null> => {
		try {
			return await read();
		} catch (cause) {
			signal?.throwIfAborted();
			const file = fileOf(cause);
			const condition = file === undefined ? "ok" : await fileCondition(file);
			problems.push({
				code:
					condition === "lfs-pointer"
						? "lfs-pointer"
						: condition === "missing"
							? "file-missing"
							: "metadata-unreadable",
				message: condition === "lfs-pointer" ? `${what} are only a git-LFS pointer` : reasonOf(cause),
				...(file === undefined ? {} : { file }),
			});
			return null;
		}
	};
	const tasks = await attempt("the task sentences", () => layout.readTasks(root, signal));
	const recorded = await attempt("the episode tables", () => layout.readEpisodes(root, filled, signal));
	const episodes = recorded === null ? null : placeEpisodes(recorded);
	const stored = await attempt("the statistics", () => readStoredStats(root, filled, layout, signal));
	const referenced = [...new Set((episodes ?? []).map(({ dataPath }) => dataPath))];
	const present = await dataFilesOf(root);
	const extra = present.filter((path) => !referenced.includes(path));
	if (episodes !== null) {
		for (const file of extra)
			problems.push({
				code: "file-unreferenced",
				message: "no episode refers to this data file, yet LeRobot loads it",
				file,
			});
	}
	return {
		root,
		problems,
		description: {
			info: filled,
			hasCounts: info.hasCounts,
			layout,
			cameraKeys: cameraKeysOf(filled.features),
			tasks,
			episodes,
			dataFiles: [...referenced, ...extra],
			stored,
		},
	};
}

/** More numbers than any robot has: a broken shape must not fill memory. */
const MAX_VECTOR_DIM = 1024;

/** The features without states and actions that cannot be vectors. */
function possibleFeatures(
	features: DatasetInfo["features"],
	file: string,
	problems: Problem[],
): DatasetInfo["features"] {
	return Object.fromEntries(
		Object.entries(features).filter(([key, { shape }]) => {
			if (key !== "observation.state" && key !== "action") return true;
			const isVector = shape.length === 1 && (shape[0] ?? 0) >= 1 && (shape[0] ?? 0) <= MAX_VECTOR_DIM;
			if (!isVector) {
				problems.push({
					code: "shape-mismatch",
					message: `info.json gives ${key} the shape [${shape.join(", ")}]`,
					file,
				});
			}
			return isVector;
		}),
	);
}

function fileOf(cause: unknown): string | undefined {
	return cause instanceof Error && "file" in cause && typeof cause.file === "string" ? cause.file : undefined;
}

async function checkIsDataset(root: string): Promise<void> {
	const found = await stat(root).catch(() => null);
	if (found === null)
		throw new DoctorError("not-found", `there is nothing at ${root}; check the path`, { file: root });
	const names = found.isDirectory() ? await readdir(root) : [];
	if (names.includes("meta") || names.includes("data")) return;
	throw new DoctorError(
		"not-a-dataset",
		`${root} is not a LeRobot dataset: it has no meta/ and no data/; name the folder that holds them`,
		{ file: root },
	);
}

/** Parquet files under data/, sorted; none when there is no such folder. */
async function dataFilesOf(root: string): Promise<string[]> {
	const folder = join(root, "data");
	const names = await readdir(folder, { recursive: true }).catch(() => []);
	return names
		.filter((name) => name.endsWith(".parquet"))
		.sort()
		.map((name) => join(folder, name));
}

type ParsedInfo = z.infer<typeof infoSchema>;
const documentSchema = z.record(z.string(), z.unknown());
const COUNT_KEYS: readonly string[] = ["total_episodes", "total_frames", "total_tasks"];
/** Without these nothing can be read. */
const ESSENTIAL_KEYS: readonly string[] = ["codebase_version", "fps"];

async function readInfo(
	path: string,
	problems: Problem[],
	signal: AbortSignal | undefined,
): Promise<{ readonly value: ParsedInfo; readonly hasCounts: boolean } | null> {
	const condition = await fileCondition(path);
	if (condition === "missing" || condition === "lfs-pointer") {
		problems.push({
			code: condition === "missing" ? "file-missing" : "lfs-pointer",
			message: condition === "missing" ? "there is no info.json" : "info.json is only a git-LFS pointer",
			file: path,
		});
		return null;
	}
	let document: Record<string, unknown>;
	try {
		document = documentSchema.parse(
			JSON.parse(await readFile(path, { encoding: "utf8", ...(signal && { signal }) })),
		);
	} catch (cause) {
		signal?.throwIfAborted();
		problems.push({
			code: "info-invalid",
			message: `info.json is not a JSON document: ${reasonOf(cause)}`,
			file: path,
		});
		return null;
	}
	const strict = infoSchema.safeParse(document);
	if (strict.success) return { value: strict.data, hasCounts: true };
	const issues = strict.error.issues;
	const text = issues.map((issue) => `${issue.path.join(".") || "document"}: ${issue.message}`).join("; ");
	problems.push({ code: "info-invalid", message: `info.json: ${text}`, file: path });
	if (issues.some(({ path: [key] }) => ESSENTIAL_KEYS.includes(String(key)))) return null;
	const lenient = infoSchema.safeParse(withoutFaults(document, issues));
	const hasCounts = !issues.some(({ path: [key] }) => COUNT_KEYS.includes(String(key)));
	return lenient.success ? { value: lenient.data, hasCounts } : null;
}

/** The document without the keys and features at fault; counts become 0. */
function withoutFaults(
	document: Readonly<Record<string, unknown>>,
	issues: readonly { readonly path: readonly PropertyKey[] }[],
): Record<string, unknown> {
	const features = documentSchema.safeParse(document["features"]);
	const badFeatures = new Set(
		issues.flatMap(({ path: [key, name] }) => (key === "features" ? [String(name)] : [])),
	);
	const badKeys = new Set(issues.map(({ path: [key] }) => String(key)));
	return {
		...Object.fromEntries(Object.entries(document).filter(([key]) => !badKeys.has(key))),
		...Object.fromEntries(COUNT_KEYS.filter((key) => badKeys.has(key)).map((key) => [key, 0])),
		features: Object.fromEntries(
			Object.entries(features.success ? features.data : {}).filter(([name]) => !badFeatures.has(name)),
		),
	};
}
