// What a checkpoint holds and what it lacks, without stopping at the first fault. Reads headers and small files, not
// the weights themselves.
import { resolve } from "node:path";
import { type DType, numElements, type Shape, sameShape } from "@zk0/arrays";
import type { SafetensorsFile } from "@zk0/arrays/node";
import { cameraKeys, type SmolVLAConfig } from "../config/policy-config.ts";
import { PolicyError, type PolicyErrorCode } from "../errors.ts";
import { normalizedFeatures } from "../inputs/normalizer.ts";
import { type FeatureCoverage, statsCoverage } from "../inputs/stats-coverage.ts";
import { loadTokenizer } from "../language/tokenizer.ts";
import { adapterTrainedNames, type LoraAdapter } from "../lora/adapter.ts";
import { type AdapterBase } from "../lora/adapter-base.ts";
import { readStoredAdapter, type StoredAdapter } from "../lora/adapter-files.ts";
import type { PolicyModel } from "../model/policy-model.ts";
import { LM_HEAD, MODEL_PARTS, type ModelPart, partOf } from "../weights/tensor-names.ts";
import { tensorShapes, trainableNames } from "../weights/tensor-shapes.ts";
import { readDescription } from "./description.ts";
import { isNormalizerBuffer } from "./normalizer-buffers.ts";
import { notBoundReason } from "./open.ts";
import { findTokenizer, type OpenOptions, openWeights, readSiteState, type SiteState } from "./parts.ts";
import type { RenameMap } from "./processors.ts";
import { type CheckpointKind, readKind } from "./sidecar.ts";

/** One part of the model, as far as the file has it. */
export interface PartReport {
	readonly part: ModelPart | "adapter";
	readonly tensors: number;
	readonly parameters: number;
	readonly trainedTensors: number;
	readonly trainedParameters: number;
	/** Number of tensors by stored dtype. */
	readonly dtypes: Readonly<Partial<Record<DType, number>>>;
}

/** A tensor whose stored shape is not the configuration's. */
export interface MisshapenTensor {
	readonly name: string;
	readonly found: Shape;
	readonly expected: Shape;
}

/** Something that stands in the way. */
export interface CheckpointProblem {
	/** "training" stops running as well. */
	readonly stops: "training" | "running";
	readonly code: PolicyErrorCode;
	/** What is wrong and what to do. */
	readonly message: string;
}

/** What {@link inspectCheckpoint} found. */
export interface CheckpointReport {
	/** Absolute. */
	readonly directory: string;
	/** What zk0 marked it as; null for a checkpoint written by someone else. */
	readonly kind: CheckpointKind | null;
	readonly config: SmolVLAConfig;
	/** In token order, placeholders of `empty_cameras` included. */
	readonly cameras: readonly string[];
	readonly renameMap: RenameMap;
	/** Of an adapter: its structure, and the full model it belongs to; null for a full model. */
	readonly adapter: (LoraAdapter & { readonly base: AdapterBase }) | null;
	/** Folder of the tokenizer; null when there is none. */
	readonly tokenizerDir: string | null;
	readonly parts: readonly PartReport[];
	readonly statistics: {
		readonly from: SiteState["statsFrom"];
		readonly features: readonly FeatureCoverage[];
		/** Statistics under another data set's name, which nothing reads. */
		readonly prefixed: readonly string[];
	};
	/** Tensors that the configuration asks for. */
	readonly missing: readonly string[];
	/** Tensors that it does not; LeRobot and zk0 ignore them. Normaliser buffers are not listed. */
	readonly unexpected: readonly string[];
	readonly misshapen: readonly MisshapenTensor[];
	readonly problems: readonly CheckpointProblem[];
	/** It can be fine-tuned: a data set gives the statistics. */
	readonly canTrain: boolean;
	/** It can act: its statistics cover state and action too. */
	readonly canRun: boolean;
}

type WeightsReport = Pick<CheckpointReport, "parts" | "missing" | "unexpected" | "misshapen">;

function inspectWeights(
	{ entries }: SafetensorsFile,
	{ config, vlm }: Pick<PolicyModel, "config" | "vlm">,
	options: { readonly isFrozen: boolean },
): WeightsReport {
	const shapes = tensorShapes(config, vlm);
	const trained = new Set(options.isFrozen ? [] : trainableNames(config, vlm));
	const missing: string[] = [];
	const misshapen: MisshapenTensor[] = [];
	for (const [name, expected] of shapes) {
		const found = entries.get(name)?.shape;
		if (found === undefined && name !== LM_HEAD) missing.push(name);
		if (found !== undefined && !sameShape(found, expected)) misshapen.push({ name, found, expected });
	}
	const parts = MODEL_PARTS.map((part): PartReport => {
		const names = [...shapes.keys()].filter((name) => entries.has(name) && partOf(name) === part);
		const dtypes: Partial<Record<DType, number>> = {};
		const count = (counted: readonly string[]): number =>
			counted.reduce((sum, name) => sum + numElements(entries.get(name)?.shape ?? [0]), 0);
		for (const name of names) {
			const dtype = entries.get(name)?.dtype;
			if (dtype !== undefined) dtypes[dtype] = (dtypes[dtype] ?? 0) + 1;
		}
		const trainedNames = names.filter((name) => trained.has(name));
		return {
			part,
			tensors: names.length,
			parameters: count(names),
			trainedTensors: trainedNames.length,
			trainedParameters: count(trainedNames),
			dtypes,
		};
	});
	const unexpected = [...entries.keys()].filter((name) => !shapes.has(name) && !isNormalizerBuffer(name));
	return { parts, missing, misshapen, unexpected };
}

/** The adapter's own tensors as one more part. */
function adapterPart(
	{ adapter, arrays }: StoredAdapter,
	model: Pick<PolicyModel, "config" | "vlm">,
): PartReport {
	const trained = new Set(adapterTrainedNames(adapter, model.config, model.vlm));
	const count = (wanted: (name: string) => boolean): number =>
		[...arrays].reduce((sum, [name, { shape }]) => sum + (wanted(name) ? numElements(shape) : 0), 0);
	return {
		part: "adapter",
		tensors: arrays.size,
		parameters: count(() => true),
		trainedTensors: trained.size,
		trainedParameters: count((name) => trained.has(name)),
		dtypes: { float32: arrays.size },
	};
}

function weightProblems({ missing, misshapen }: WeightsReport): CheckpointProblem[] {
	const problems: CheckpointProblem[] = [];
	if (missing.length > 0) {
		const message =
			`${missing.length} tensors are missing, first ${missing[0]}: the file is incomplete or belongs to another ` +
			"configuration; copy the checkpoint again";
		problems.push({ stops: "training", code: "missing-tensor", message });
	}
	const [first] = misshapen;
	if (first !== undefined) {
		const message =
			`${misshapen.length} tensors have another shape than config.json makes them, first ${first.name}: ` +
			`[${first.found.join(",")}] instead of [${first.expected.join(",")}]`;
		problems.push({ stops: "training", code: "wrong-shape", message });
	}
	return problems;
}

/** What `run` gives, or null and its PolicyError as a problem. */
async function collect<T>(
	problems: CheckpointProblem[],
	stops: CheckpointProblem["stops"],
	run: () => T | Promise<T>,
): Promise<T | null> {
	try {
		return await run();
	} catch (error) {
		if (!(error instanceof PolicyError)) throw error;
		problems.push({ stops, code: error.code, message: error.message.replace(`${error.code}: `, "") });
		return null;
	}
}

/**
 * Looks at a checkpoint directory. What makes any look impossible is thrown: no or bad config.json, an unknown backbone,
 * a model.safetensors that is not one.
 * @throws PolicyError bad-checkpoint | unknown-key | bad-config | unsupported | missing-base | wrong-base
 */
export async function inspectCheckpoint(path: string, options: OpenOptions = {}): Promise<CheckpointReport> {
	const directory = resolve(path);
	const { config, described, base, places, vlm } = await readDescription(directory, options);
	const kind = await readKind(directory);
	using file = openWeights(base?.directory ?? directory);
	const found = inspectWeights(file, { config, vlm }, { isFrozen: base !== null });
	const problems = weightProblems(found);
	const stored =
		described === null
			? null
			: await collect(problems, "training", () => readStoredAdapter(directory, described, { config, vlm }));
	const weights =
		stored === null ? found : { ...found, parts: [...found.parts, adapterPart(stored, { config, vlm })] };
	const tokenizerDir = await collect(problems, "training", async () => {
		const folder = await findTokenizer(directory, places);
		loadTokenizer(folder);
		return folder;
	});
	const cameras = cameraKeys(config);
	if (cameras.length === 0) {
		const message = "config.json names no camera; add VISUAL features to input_features";
		problems.push({ stops: "training", code: "no-camera", message });
	}
	const { stats, statsFrom, renameMap } = await readSiteState(directory, config, file);
	const features = await collect(problems, "training", () => normalizedFeatures(config));
	const coverage =
		features === null ? null : await collect(problems, "running", () => statsCoverage(config, stats));
	if (coverage !== null && (kind === "global" || !coverage.isComplete)) {
		const message = notBoundReason({ config, stats, kind, directory });
		problems.push({ stops: "running", code: "not-bound", message });
	}
	return {
		directory,
		kind,
		config,
		cameras,
		renameMap,
		adapter: stored === null || base === null ? null : { ...stored.adapter, base },
		tokenizerDir,
		...weights,
		statistics: {
			from: statsFrom,
			features: coverage?.features ?? [],
			prefixed: coverage?.prefixed ?? [],
		},
		problems,
		canTrain: problems.every(({ stops }) => stops !== "training"),
		canRun: problems.length === 0,
	};
}
