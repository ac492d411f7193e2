// What is fed damaged bytes, and what it may answer: values, or an error of its package.
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
	ArraysError,
	decodeNpy,
	decodeSafetensors,
	encodeNpy,
	encodeSafetensors,
	float32Array,
} from "@zk0/arrays";
import { openSafetensors } from "@zk0/arrays/node";
import { computeStats, createFrameReader, DatasetError, openDataset } from "@zk0/dataset";
import { initTensors, openCheckpoint, PolicyError, smallPreset, writeCheckpoint } from "@zk0/policy";
import { openNumberTable } from "../../packages/dataset/src/parquet/numbers.ts";
import { readParquet } from "../../packages/dataset/src/parquet/read.ts";
import { recordSynthetic } from "../../packages/dataset/src/testing/recordings.ts";
import { rewriteFooter } from "../../packages/dataset/src/testing/rewrite-footer.ts";
import { adminTarget, fleetTarget } from "./endpoints.ts";
import { type Edit, mutate } from "./mutate.ts";

/** Something that reads bytes. */
export interface FuzzTarget extends AsyncDisposable {
	readonly name: string;
	/**
	 * Reads what the damage made of its input, and resolves when the answer is allowed.
	 * @throws whatever else came out
	 */
	run(damage: readonly Edit[]): Promise<void>;
}

type ErrorClass = abstract new (...args: never[]) => Error;

const GOLDEN = fileURLToPath(new URL("../../packages/dataset/golden/", import.meta.url));
const TOKENIZER = fileURLToPath(new URL("../../packages/policy/assets/small/tokenizer", import.meta.url));

async function allow(errors: readonly ErrorClass[], work: () => Promise<unknown>): Promise<void> {
	try {
		await work();
	} catch (error) {
		if (!errors.some((allowed) => error instanceof allowed)) throw error;
	}
}

function simple(
	name: string,
	errors: readonly ErrorClass[],
	run: (damage: readonly Edit[]) => Promise<unknown>,
): FuzzTarget {
	return {
		name,
		run: (damage) => allow(errors, () => run(damage)),
		[Symbol.asyncDispose]: () => Promise.resolve(),
	};
}

/** Number of the file that a list of edits is for. */
function choice(damage: readonly Edit[], count: number): number {
	return (damage[0]?.value ?? 0) % count;
}

function parquetTarget(folder: string): FuzzTarget {
	const names = [
		"list-snappy",
		"list-v2",
		"fixed-zstd-v2",
		"split-lz4",
		"double-gzip",
		"delta-brotli",
		"scalar",
	];
	const files = names.map((name) => readFileSync(join(GOLDEN, "pyarrow-columns", `${name}.parquet`)));
	files.push(readFileSync(join(GOLDEN, "pyarrow-v3/meta/episodes/chunk-000/file-000.parquet")));
	const path = join(folder, "fuzz.parquet");
	return simple("parquet", [DatasetError], async (damage) => {
		writeFileSync(path, mutate(files[choice(damage, files.length)] ?? new Uint8Array(0), damage));
		await readAll(path);
	});
}

/** A parquet file whose footer is well-formed and says something else: counts, offsets and sizes out of range. */
function footerTarget(folder: string): FuzzTarget {
	const names = ["list-snappy", "list-v2", "scalar", "split-lz4"];
	const files = names.map((name) => readFileSync(join(GOLDEN, "pyarrow-columns", `${name}.parquet`)));
	const path = join(folder, "footer.parquet");
	return simple("parquet-footer", [DatasetError], async (damage) => {
		const whole = files[choice(damage, files.length)] ?? new Uint8Array(0);
		const changed = rewriteFooter(whole, (metadata) => {
			for (const { at, value } of damage) setNumber(metadata, at, HOSTILE[value % HOSTILE.length] ?? 0);
		});
		writeFileSync(path, changed);
		await readAll(path);
	});
}

/** Numbers that a footer should not say. */
const HOSTILE = [-1, 0, 1, 7, 1000, 2 ** 26, 2 ** 28, 2 ** 31 - 1, -(2 ** 31), 2 ** 40, 2 ** 53] as const;

/** Sets one of the numbers of a document, chosen by `at` of 0 to 1. */
function setNumber(root: object, at: number, to: number): void {
	const places: { owner: object; key: string; isBig: boolean }[] = [];
	const visit = (owner: object): void => {
		for (const [key, value] of Object.entries(owner)) {
			if (key === "schema") continue; // the writer needs a whole tree
			if (typeof value === "number" || typeof value === "bigint") {
				places.push({ owner, key, isBig: typeof value === "bigint" });
			} else if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) visit(value);
		}
	};
	visit(root);
	const place = places[Math.min(places.length - 1, Math.floor(at * places.length))];
	if (place === undefined) return;
	const isInt = Number.isSafeInteger(to) && Math.abs(to) < 2 ** 31;
	Reflect.set(place.owner, place.key, place.isBig ? BigInt(to) : isInt ? to : 2 ** 31 - 1);
}

/** Reads a parquet file in both ways that there are. */
async function readAll(path: string): Promise<void> {
	await allow([DatasetError], () => readParquet(path, (columns) => columns, { keepsBytes: true }));
	await using table = await openNumberTable(path);
	const target = new Float32Array(Math.min(table.numRows, 100_000) * 6);
	for (const column of ["observation.state", "value", "action"]) {
		const dim = Math.floor(target.length / Math.max(1, table.numRows));
		if (dim > 0) await allow([DatasetError], () => table.read(column, Math.min(dim, 2), target, 0));
	}
}

/** Everything of a dataset but its videos, one of its files damaged. */
function datasetTarget(folder: string, name: "pyarrow-v21" | "pyarrow-v3"): FuzzTarget {
	const root = join(folder, name);
	cpSync(join(GOLDEN, name), root, { recursive: true });
	const candidates = [
		"meta/info.json",
		"meta/stats.json",
		"meta/tasks.jsonl",
		"meta/episodes.jsonl",
		"meta/episodes_stats.jsonl",
		"meta/tasks.parquet",
		"meta/episodes/chunk-000/file-000.parquet",
		"data/chunk-000/file-000.parquet",
		"data/chunk-000/episode_000001.parquet",
	];
	const files = candidates.filter((file) => existsSync(join(root, file)));
	return simple(name, [DatasetError], async (damage) => {
		const path = join(root, files[choice(damage, files.length)] ?? "");
		const whole = readFileSync(path);
		writeFileSync(path, mutate(whole, damage));
		try {
			const dataset = await openDataset(root);
			await computeStats(dataset);
			await dataset.readEpisodeStats();
		} finally {
			writeFileSync(path, whole);
		}
	});
}

/** Cameras of the many-file dataset: videos by codec, and pictures in the rows. */
const CAMERAS = ["av1", "h264", "hevc", "mpeg4", "wrist"] as const;
/** Frames that the undamaged files have. */
const NUM_FRAMES = 4;
const FPS = 15;
/** Files that one target can damage before they are damaged again under names of their own. */
const NUM_FILES = 400;

/** An undamaged file of a camera. */
async function pictureFile(folder: string, name: (typeof CAMERAS)[number]): Promise<Uint8Array> {
	const golden = join(GOLDEN, "pyarrow-v21");
	if (name === "wrist") return readFileSync(join(golden, "data/chunk-000/episode_000000.parquet"));
	if (name === "hevc" || name === "mpeg4") {
		return readFileSync(join(golden, `videos/chunk-000/observation.images.${name}/episode_000000.mp4`));
	}
	const recording = join(folder, `${name}-recording`);
	await recordSynthetic(recording, [NUM_FRAMES], { codec: name, fps: FPS });
	return readFileSync(join(recording, "videos/observation.images.top/chunk-000/file-000.mp4"));
}

/** Videos and pictures, decoded in child processes. */
async function pictureTarget(folder: string, name: (typeof CAMERAS)[number]): Promise<FuzzTarget> {
	const root = join(folder, name);
	const isVideo = name !== "wrist";
	const camera = `observation.images.${name}`;
	const whole = await pictureFile(folder, name);
	const video = (index: number): string =>
		join(root, `videos/chunk-000/${camera}/episode_${String(index).padStart(6, "0")}.mp4`);
	const rows = (index: number): string =>
		join(root, `data/chunk-000/episode_${String(index).padStart(6, "0")}.parquet`);
	const info = {
		codebase_version: "v2.1",
		fps: FPS,
		total_episodes: NUM_FILES,
		total_frames: NUM_FILES * NUM_FRAMES,
		total_tasks: 1,
		features: { [camera]: { dtype: isVideo ? "video" : "image", shape: [48, 64, 3] } },
	};
	const write = (path: string, content: string | Uint8Array): void => {
		mkdirSync(dirname(path), { recursive: true });
		writeFileSync(path, content);
	};
	write(join(root, "meta/info.json"), JSON.stringify(info));
	write(join(root, "meta/tasks.jsonl"), '{"task_index":0,"task":"t"}\n');
	const lines = Array.from(
		{ length: NUM_FILES },
		(_, index) => `{"episode_index":${index},"length":${NUM_FRAMES}}`,
	);
	write(join(root, "meta/episodes.jsonl"), lines.join("\n"));
	for (let index = 0; index < NUM_FILES; index++) {
		write(rows(index), "");
		if (isVideo) write(video(index), "");
	}
	const reader = createFrameReader(await openDataset(root), { processes: 1 });
	let next = 0;
	const run = async (damage: readonly Edit[]): Promise<void> => {
		const episodeIndex = next++ % NUM_FILES;
		writeFileSync(isVideo ? video(episodeIndex) : rows(episodeIndex), mutate(whole, damage));
		for (const frameIndex of [0, NUM_FRAMES - 1]) {
			await allow([DatasetError], () => reader.read([{ episodeIndex, frameIndex, camera }]));
		}
	};
	// What is not damaged can be read; and its decoder process starts.
	writeFileSync(isVideo ? video(next) : rows(next), whole);
	await reader.read([{ episodeIndex: next++, frameIndex: NUM_FRAMES - 1, camera }]);
	return { name, run, [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose]() };
}

function tensorTarget(folder: string): FuzzTarget {
	const arrays = new Map([
		["a.weight", float32Array([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6))],
		["b", float32Array([4], Float32Array.of(1, 2, 3, 4))],
	]);
	const safetensors = encodeSafetensors(arrays, { format: "pt" });
	const npy = encodeNpy(float32Array([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)));
	const path = join(folder, "fuzz.safetensors");
	return simple("safetensors", [ArraysError], async (damage) => {
		await allow([ArraysError], async () => decodeNpy(mutate(npy, damage)));
		const bytes = mutate(safetensors, damage);
		writeFileSync(path, bytes);
		await allow([ArraysError], async () => decodeSafetensors(bytes));
		using file = openSafetensors(path);
		for (const name of file.entries.keys()) file.readFloat32(name);
	});
}

/** A checkpoint, one of its JSON files or the head of its weights damaged. */
async function checkpointTarget(folder: string): Promise<FuzzTarget> {
	const { config, vlm } = smallPreset();
	const root = join(folder, "checkpoint");
	await writeCheckpoint(root, { config, vlm, tensors: initTensors(config, vlm, 1), tokenizerDir: TOKENIZER });
	const candidates = [
		"config.json",
		"vlm/config.json",
		"vlm/tokenizer.json",
		"vlm/tokenizer_config.json",
		"tokenizer/tokenizer.json",
		"tokenizer/tokenizer_config.json",
		"policy_preprocessor.json",
		"policy_postprocessor.json",
	];
	const files = candidates.filter((file) => existsSync(join(root, file)));
	return simple("checkpoint", [PolicyError, ArraysError], async (damage) => {
		const path = join(root, files[choice(damage, files.length)] ?? "");
		const whole = readFileSync(path);
		writeFileSync(path, mutate(whole, damage));
		try {
			using checkpoint = await openCheckpoint(root);
			checkpoint.tokenizer.encode("push the red cube");
		} finally {
			writeFileSync(path, whole);
		}
	});
}

/** Names of all targets. */
export const TARGETS = [
	"parquet",
	"parquet-footer",
	"pyarrow-v21",
	"pyarrow-v3",
	...CAMERAS,
	"safetensors",
	"checkpoint",
	"fleet",
	"admin",
] as const;

/** A target's name. */
export type TargetName = (typeof TARGETS)[number];

/** A target with its files in `folder`. */
export async function openTarget(name: TargetName, folder: string): Promise<FuzzTarget> {
	if (name === "parquet") return parquetTarget(folder);
	if (name === "parquet-footer") return footerTarget(folder);
	if (name === "pyarrow-v21" || name === "pyarrow-v3") return datasetTarget(folder, name);
	if (name === "safetensors") return tensorTarget(folder);
	if (name === "checkpoint") return await checkpointTarget(folder);
	if (name === "fleet") return await fleetTarget(folder);
	if (name === "admin") return await adminTarget(folder);
	return await pictureTarget(folder, name);
}
