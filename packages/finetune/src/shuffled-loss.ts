// Does the policy look? Held-out loss when frames are given the pictures, the states or the sentence of another
// frame. A policy that ignores an input loses nothing by that (spec: engine §12: a falling loss alone shows little).
import { type Rng, rng } from "@zk0/arrays";
import type { Frame } from "@zk0/policy";
import { heldOutLoss } from "./held-out.ts";
import type { RecordedFrame } from "./observations.ts";
import { observeFrames, type PolicyEngine, type PolicyTrainer } from "./policy-engine.ts";
import { EVAL_BATCH_SIZE, type Site } from "./site.ts";

/** Held-out losses of the same frames, noise and times. */
export interface ShuffledLosses {
	readonly lossTrue: number;
	/** Pictures of all cameras from a frame of another episode. */
	readonly lossShuffledImages: number;
	/** State from a frame of another episode. */
	readonly lossShuffledStates: number;
	/** Sentence from a frame with another sentence; null when all held-out frames have the same. */
	readonly lossShuffledTasks: number | null;
}

/** Options of {@link shuffledLosses}. */
export interface ShuffleOptions {
	readonly seed: number;
	readonly signal?: AbortSignal | undefined;
}

/**
 * Compares the trainer's parameters on true and on mixed-up held-out frames of a site.
 * @throws RangeError when fewer than two episodes are held out
 */
export async function shuffledLosses(
	site: Site,
	engine: PolicyEngine,
	compiled: PolicyTrainer,
	{ seed, signal }: ShuffleOptions,
): Promise<ShuffledLosses> {
	const { data, evalItems, observations } = site;
	const frames = await observations.framesFor(evalItems, { signal });
	const episodeOf = (item: number): number => data.source.rows.episodeIndex[item] ?? -1;
	if (new Set(evalItems.map(episodeOf)).size < 2) {
		throw new RangeError(`shuffledLosses: ${data.name} holds out fewer than two episodes; hold out more`);
	}
	const lossOf = async (mixed: readonly Frame[]): Promise<number> => {
		const observe = (numbers: readonly number[]) =>
			observeFrames(
				engine,
				numbers.flatMap((number) => mixed[number] ?? []),
				data.context,
				{ signal },
			);
		const evaluated = { frames: site.evaluationFrames(evalItems, seed), observe };
		return await heldOutLoss(compiled, site.flow, evaluated, { batchSize: EVAL_BATCH_SIZE, signal });
	};
	const mix = (what: string, differs: Differs, take: (own: Frame, donor: Frame) => Frame): Frame[] => {
		const random = rng(seed, data.name, "shuffle", what);
		return frames.map((own) => take(own.frame, donorFor(own, frames, { differs, random }).frame));
	};
	const otherEpisode: Differs = (own, donor) => episodeOf(own.item) !== episodeOf(donor.item);
	const hasTwoSentences = new Set(frames.map(({ frame }) => frame.task)).size > 1;
	return {
		lossTrue: await lossOf(frames.map(({ frame }) => frame)),
		lossShuffledImages: await lossOf(mix("images", otherEpisode, (own, { images }) => ({ ...own, images }))),
		lossShuffledStates: await lossOf(mix("states", otherEpisode, (own, { state }) => ({ ...own, state }))),
		lossShuffledTasks: hasTwoSentences
			? await lossOf(
					mix(
						"tasks",
						(own, donor) => own.frame.task !== donor.frame.task,
						(own, { task }) => ({ ...own, task }),
					),
				)
			: null,
	};
}

type Differs = (own: RecordedFrame, donor: RecordedFrame) => boolean;

function donorFor(
	own: RecordedFrame,
	frames: readonly RecordedFrame[],
	{ differs, random }: { readonly differs: Differs; readonly random: Rng },
): RecordedFrame {
	const donors = frames.filter((donor) => differs(own, donor));
	const donor = donors[donors.length === 0 ? 0 : random.below(donors.length)];
	if (donor === undefined) throw new RangeError("shuffledLosses: a frame has no other to swap with");
	return donor;
}
