// The model that a run starts from, as a global checkpoint: a checkpoint named by the user, the small base policy
// that comes with zk0, or random weights.
import { basename } from "node:path";
import { isHubReference, parseHubReference } from "@zk0/hub";
import {
	baseOf,
	type Checkpoint,
	type CheckpointContent,
	contentOf,
	float32Tensors,
	initWeights,
	memoryTensors,
	SMALL_BASE_DIR,
	SMALL_TOKENIZER_DIR,
	smallPreset,
	withFreshAdapter,
	writeCheckpoint,
} from "@zk0/policy";
import { CliError } from "../cli-error.ts";
import type { RunConfig } from "../config/presets.ts";
import { openModel } from "../evaluation/open-policy.ts";
import type { Host } from "../host.ts";

/** The settings that choose the start. */
export type StartSettings = Pick<
	RunConfig,
	"init" | "preset" | "seed" | "loraRank" | "loraAlpha" | "loraFreezeA"
>;

/**
 * Writes the start as a global checkpoint: without statistics, so that it is nobody's in particular. With an adapter the
 * checkpoint is the adapter's, and the weights stay where `init` has them.
 * @throws CliError "bad-config" or "model-not-found"; PolicyError for what is not a checkpoint
 */
export async function writeStartCheckpoint(dir: string, settings: StartSettings, place: Host): Promise<void> {
	if (settings.init === "random") {
		if (settings.preset === "full") {
			throw new CliError("bad-config", "random weights have the small presets' size, not that of full", {
				cure: "give --init <dir> with a SmolVLA checkpoint",
			});
		}
		const { config, vlm } = smallPreset();
		const tensors = memoryTensors(initWeights(config, vlm, settings.seed));
		await writeCheckpoint(dir, { config, vlm, tensors, tokenizerDir: SMALL_TOKENIZER_DIR });
		return;
	}
	const init = settings.init === "bundled" ? SMALL_BASE_DIR : settings.init;
	using start = await openModel(init, place);
	const content = await startContent(start, init, settings);
	// Published weights are bfloat16; trained tensors need float32, and the runtime maps frozen ones from a float32 file.
	await writeCheckpoint(dir, { ...content, tensors: float32Tensors(content.tensors) });
}

/** The start itself, or with a fresh adapter, or with an adapter of its own that is trained on. */
async function startContent(
	start: Checkpoint,
	init: string,
	{ loraRank, loraAlpha, loraFreezeA, seed }: StartSettings,
): Promise<CheckpointContent> {
	const content = contentOf(start);
	const { adapter } = content;
	const trains = loraFreezeA ? "B" : "both";
	if (adapter !== undefined) {
		if (loraRank !== null) {
			throw new CliError("bad-config", `${init} already has an adapter, of rank ${adapter.structure.rank}`, {
				cure: "leave --lora-rank out to train it on, or merge it first with `zk0 model merge`",
			});
		}
		return loraFreezeA
			? { ...content, adapter: { ...adapter, structure: { ...adapter.structure, trains } } }
			: content;
	}
	if (loraRank === null) {
		if (!loraFreezeA) return content;
		throw new CliError("bad-config", "--lora-freeze-a has no meaning without an adapter", {
			cure: "give --lora-rank <n> too",
		});
	}
	const published = isHubReference(init)
		? { name: parseHubReference(init).repo, revision: basename(start.directory) }
		: null;
	const fresh = withFreshAdapter(start.model, {
		rank: loraRank,
		...(loraAlpha === null ? {} : { alpha: loraAlpha }),
		trains,
		seed,
	});
	const base = await baseOf(start.directory, published);
	return { ...content, tensors: fresh.tensors, adapter: { structure: fresh.adapter, base } };
}
