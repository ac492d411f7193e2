// What joins a model with a site's recordings: their statistics, in the arm's units, and which camera is which.
import { computeStats, type LeRobotDataset } from "@zk0/dataset";
import type { SiteProfile } from "@zk0/doctor";
import { foldUnits, normalizerStats, resolveCameraMap } from "@zk0/finetune";
import { type Checkpoint, cameraKeys, type SiteBinding } from "@zk0/policy";
import { profileOptions } from "../sources/profile-options.ts";

/** What is joined. */
export interface BindingSources {
	readonly dataset: LeRobotDataset;
	readonly profile: SiteProfile | null;
	/** Dataset camera -> policy camera; undefined: the profile's, or equal names. */
	readonly camera: Readonly<Record<string, string>> | undefined;
	/** Episodes whose statistics count; undefined: the profile's statistics, or all episodes. */
	readonly train: readonly number[] | undefined;
	readonly signal: AbortSignal;
}

/** A binding of known cameras and lengths. */
export type DatasetBinding = Required<
	Pick<SiteBinding, "stats" | "renameMap" | "stateLength" | "actionLength">
> & {
	/** Policy camera of every dataset camera that it sees. */
	readonly cameras: ReadonlyMap<string, string>;
};

/** The binding of a checkpoint to recordings. @throws FinetuneError "camera-missing"; DatasetError */
export async function bindingTo(
	{ config }: Pick<Checkpoint, "config">,
	{ dataset, profile, camera, train, signal }: BindingSources,
): Promise<DatasetBinding> {
	const site = profile === null ? {} : profileOptions(profile);
	const wanted = camera ?? site.cameraMap;
	const cameras = resolveCameraMap({
		datasetCameras: dataset.cameraKeys,
		policyCameras: cameraKeys(config),
		...(wanted === undefined ? {} : { wanted }),
	});
	const stats = site.stats ?? (await computeStats(dataset, train, { signal }));
	return {
		stats: foldUnits(normalizerStats(stats), site.units ?? {}),
		renameMap: Object.fromEntries([...cameras].filter(([from, to]) => from !== to)),
		stateLength: dataset.stateDim,
		actionLength: dataset.actionDim,
		cameras,
	};
}
