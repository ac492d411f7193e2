// The checkpoints of a run's rounds: the global model, and for every site the same weights bound to its statistics
// and cameras. Made from the federation's weights, so a missing one can be made again.
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { openSafetensors } from "@zk0/arrays/node";
import type { Site } from "@zk0/finetune";
import { bindCheckpoint, type Checkpoint, contentOf, overlayTensors, writeCheckpoint } from "@zk0/policy";
import type { RunPaths } from "@zk0/records";

/** Writes checkpoints of rounds. */
export interface RoundCheckpoints {
	/**
	 * Makes what is missing of a round's checkpoints.
	 * @param weightsPath The trained tensors of the round; null for round 0, whose global checkpoint exists.
	 */
	write(round: number, weightsPath: string | null): Promise<void>;
	/** Deletes the checkpoints of old rounds; round 0 stays, a resumed run starts from it. */
	prune(lastRound: number): Promise<void>;
}

/** What the checkpoints are made of. */
export interface CheckpointSources {
	readonly paths: RunPaths;
	/** The initial model: the frozen tensors of every round. */
	readonly base: Checkpoint;
	readonly sites: readonly Site[];
	/** Rounds to keep besides round 0, or null for all. */
	readonly numKept: number | null;
}

/** The checkpoints of a run. */
export function roundCheckpoints({ paths, base, sites, numKept }: CheckpointSources): RoundCheckpoints {
	return {
		async write(round, weightsPath) {
			const globalDir = paths.globalCheckpoint(round);
			if (!existsSync(globalDir) && weightsPath !== null) {
				using weights = openSafetensors(weightsPath);
				const names = [...weights.entries.keys()];
				const trained = new Map(names.map((name) => [name, weights.readFloat32(name)]));
				const tensors = overlayTensors(base.model.tensors, trained);
				await writeCheckpoint(globalDir, { ...contentOf(base), tensors });
			}
			for (const site of sites)
				await bindToSite(globalDir, paths.siteCheckpoint(round, site.data.name), site);
		},
		async prune(lastRound) {
			if (numKept === null) return;
			for (let round = lastRound - numKept; round >= 1; round--) {
				const dir = join(paths.globalCheckpoint(round), "..");
				if (!existsSync(dir)) break;
				await rm(dir, { recursive: true, force: true });
			}
		},
	};
}

/** Writes the checkpoint of a site, unless it is there. */
export async function bindToSite(globalDir: string, siteDir: string, { data }: Site): Promise<void> {
	if (existsSync(siteDir)) return;
	await bindCheckpoint(globalDir, siteDir, {
		stats: data.context.stats,
		renameMap: Object.fromEntries([...data.cameraMap].filter(([from, to]) => from !== to)),
		stateLength: data.dataset.stateDim,
		actionLength: data.dataset.actionDim,
		sharesWeights: true,
	});
}
