// Recorded frames as a checkpoint's policy sees them: which camera is which, and what the action's numbers are called.
import type { LeRobotDataset, Sample } from "@zk0/dataset";
import { resolveCameraMap } from "@zk0/finetune";
import { type Checkpoint, cameraKeys, type Frame } from "@zk0/policy";

/**
 * Dataset camera to policy camera: by the checkpoint's own map, and by equal names.
 * @throws FinetuneError "camera-missing"
 */
export function camerasFor(
	{ config, renameMap }: Checkpoint,
	dataset: LeRobotDataset,
): ReadonlyMap<string, string> {
	const policyCameras = cameraKeys(config);
	const equal = dataset.cameraKeys.filter(
		(key) => policyCameras.includes(key) && renameMap[key] === undefined,
	);
	const renamed = Object.entries(renameMap).filter(([from]) => dataset.cameraKeys.includes(from));
	const targets = new Set(renamed.map(([, to]) => to));
	return resolveCameraMap({
		datasetCameras: dataset.cameraKeys,
		policyCameras,
		wanted: Object.fromEntries([
			...equal.filter((key) => !targets.has(key)).map((key) => [key, key]),
			...renamed,
		]),
	});
}

/** A sample as the policy sees it. */
export function toFrame(sample: Sample, cameras: ReadonlyMap<string, string>): Frame {
	const images: [string, Sample["images"] extends ReadonlyMap<string, infer Image> ? Image : never][] = [];
	for (const [from, to] of cameras) {
		const image = sample.images.get(from);
		if (image !== undefined) images.push([to, image]);
	}
	const { state, task, actions, actionIsPad } = sample;
	return { images: new Map(images), state, task, actions, actionIsPad };
}

/** Names of the action's numbers, or the state's, as recorded or by position. */
export function jointNames(
	{ features, actionDim, stateDim }: LeRobotDataset,
	vector: "action" | "state" = "action",
): string[] {
	const named = features[vector === "action" ? "action" : "observation.state"]?.names;
	const list: readonly unknown[] = Array.isArray(named) ? named : [];
	return Array.from({ length: vector === "action" ? actionDim : stateDim }, (_, joint) => {
		const name = list[joint];
		return typeof name === "string" ? name : `${vector}_${joint}`;
	});
}

/** `[height, width]` of simulated pictures for a policy: its own shape, at most 128 pixels on a side. */
export function simulatedSize(config: Checkpoint["config"]): readonly [number, number] {
	const [height = 96, width = 96] = config.resize_imgs_with_padding ?? [];
	const scale = Math.min(1, 128 / Math.max(height, width));
	const even = (side: number): number => Math.max(64, 2 * Math.round((side * scale) / 2));
	return [even(height), even(width)];
}
