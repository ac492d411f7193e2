// Opens a LeRobot SmolVLA checkpoint directory, ours or LeRobot's own.
import { resolve } from "node:path";
import type { SafetensorsFile } from "@zk0/arrays/node";
import { type SmolVLAConfig } from "../config/policy-config.ts";
import type { VlmConfig } from "../config/vlm-config.ts";
import { PolicyError } from "../errors.ts";
import type { Stats } from "../inputs/normalizer.ts";
import { describeGap, statsCoverage } from "../inputs/stats-coverage.ts";
import { loadTokenizer, type Tokenizer } from "../language/tokenizer.ts";
import { type AdapterBase } from "../lora/adapter-base.ts";
import type { AdapterConfig } from "../lora/adapter-config.ts";
import { readStoredAdapter } from "../lora/adapter-files.ts";
import type { PolicyModel } from "../model/policy-model.ts";
import { checkTensors, fileTensors, overlayTensors } from "../weights/tensor-source.ts";
import { readDescription } from "./description.ts";
import {
	findTokenizer,
	imageTokensOf,
	type OpenOptions,
	openWeights,
	readSiteState,
	type SiteState,
} from "./parts.ts";
import type { RenameMap } from "./processors.ts";
import { type CheckpointKind, readKind } from "./sidecar.ts";

/** An open checkpoint; holds model.safetensors (of an adapter: its base's) open, close it with `using`. */
export interface Checkpoint extends Disposable {
	/** Absolute. */
	readonly directory: string;
	readonly config: SmolVLAConfig;
	readonly vlm: VlmConfig;
	/** The full model's tensors; an adapter's are in `model` only. */
	readonly file: SafetensorsFile;
	/** The full model that `model.adapter` belongs to; null for a full model. */
	readonly base: AdapterBase | null;
	/** For building graphs; valid while the checkpoint is open. */
	readonly model: PolicyModel;
	readonly tokenizer: Tokenizer;
	/** Folder the tokenizer was loaded from. */
	readonly tokenizerDir: string;
	/** Dataset observation key -> policy key. */
	readonly renameMap: RenameMap;
	/** Normalisation statistics; empty in a global checkpoint. */
	readonly stats: Stats;
	readonly statsFrom: SiteState["statsFrom"];
	/** What we marked it as; null for a checkpoint written by someone else. */
	readonly kind: CheckpointKind | null;
	/** True when its statistics cover state and action and it is not marked as global. */
	readonly isBound: boolean;
}

async function withStoredAdapter(
	model: PolicyModel,
	described: AdapterConfig,
	directory: string,
): Promise<PolicyModel> {
	const { adapter, arrays } = await readStoredAdapter(directory, described, model);
	return { ...model, adapter, tensors: overlayTensors(model.tensors, arrays) };
}

/**
 * Opens a checkpoint directory, of a full model or of an adapter with its base, and checks configuration, tensors and
 * statistics.
 * @throws PolicyError bad-checkpoint | unknown-key | bad-config | unsupported | missing-tensor | wrong-shape |
 * bad-stats | bad-tokenizer | missing-base | wrong-base
 */
export async function openCheckpoint(path: string, options: OpenOptions = {}): Promise<Checkpoint> {
	const directory = resolve(path);
	const { config, described, base, places, vlm } = await readDescription(directory, options);
	const tokenizerDir = await findTokenizer(directory, places);
	const tokenizer = loadTokenizer(tokenizerDir);
	const kind = await readKind(directory);
	const file = openWeights(base?.directory ?? directory);
	try {
		const site = await readSiteState(directory, config, file);
		const isBound = statsCoverage(config, site.stats).isComplete && kind !== "global";
		const tensors = fileTensors(file);
		checkTensors(tensors, config, vlm);
		const full: PolicyModel = { config, vlm, tensors, imageTokens: imageTokensOf(config, tokenizer) };
		const model = described === null ? full : await withStoredAdapter(full, described, directory);
		return {
			directory,
			config,
			vlm,
			file,
			base,
			model,
			tokenizer,
			tokenizerDir,
			...site,
			kind,
			isBound,
			[Symbol.dispose]: () => file[Symbol.dispose](),
		};
	} catch (error) {
		file[Symbol.dispose]();
		throw error;
	}
}

/**
 * Refuses a checkpoint whose statistics do not cover its states and actions: its actions would not be in any robot's
 * units (LeRobot would pass them through silently).
 * @throws PolicyError not-bound, naming the statistics that are missing and what to do
 */
export function assertDeployable(checkpoint: Checkpoint): void {
	if (checkpoint.isBound) return;
	throw new PolicyError("not-bound", notBoundReason(checkpoint), { path: checkpoint.directory });
}

/** Why a checkpoint is not bound, and the cure. */
export function notBoundReason(
	checkpoint: Pick<Checkpoint, "config" | "stats" | "kind" | "directory">,
): string {
	const { config, stats, kind, directory } = checkpoint;
	const why =
		kind === "global"
			? "it is a global model and carries no site's statistics"
			: `it has ${describeGap(statsCoverage(config, stats))}`;
	return `${why}; join it with those of a data set: zk0 model bind ${directory} <dataset> --out <dir>`;
}
