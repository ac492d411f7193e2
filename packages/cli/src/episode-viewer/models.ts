// The models whose predictions can be looked at: one that was named, or the checkpoints that a run has kept.
import { existsSync } from "node:fs";
import { type RunPaths, roundsWithCheckpoints } from "@zk0/records";

/** A model to choose. */
export interface ViewedModel {
	/** Names it in addresses. */
	readonly id: string;
	readonly label: string;
	/** Null: it is no round's. */
	readonly round: number | null;
	/** Directory of the checkpoint, or hf:<user>/<name>. */
	readonly checkpoint: string;
	/** Full model of an adapter, when not where the adapter says. */
	readonly baseDir?: string;
	/** Trained tensors that replace the checkpoint's; null or absent: none do. */
	readonly weights?: string | null;
}

/** A model that was named on the command line. */
export function namedModel(checkpoint: string): ViewedModel {
	const label = checkpoint.replace(/\/+$/, "").split("/").slice(-2).join("/");
	return { id: "model", label, round: null, checkpoint };
}

/**
 * What a run has kept, from the base model on: the checkpoints of rounds, bound to the site where the run bound them, or
 * the model of a training.
 */
export async function modelsOfRun(paths: RunPaths, site: string | null): Promise<ViewedModel[]> {
	const ofRounds = (await roundsWithCheckpoints(paths)).flatMap((round): ViewedModel[] => {
		const own = site === null ? null : paths.siteCheckpoint(round, site);
		const checkpoint = [own, paths.globalCheckpoint(round)].find((path) => path !== null && existsSync(path));
		if (checkpoint == null) return [];
		const label = round === 0 ? "Base model" : `Round ${round}`;
		return [{ id: `round-${round}`, label, round, checkpoint }];
	});
	if (!existsSync(paths.trainedModel)) return ofRounds;
	return [
		...ofRounds,
		{ id: "trained", label: "Trained model", round: null, checkpoint: paths.trainedModel },
	];
}
