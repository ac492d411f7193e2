// The full-size policy on random weights, and the check that it has the published one's names, shapes and counts.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { numElements } from "@zk0/arrays";
import { openSafetensors, type SafetensorsFile } from "@zk0/arrays/node";
import { fileTensors, type PolicyModel, smolvlaBasePreset, trainableNames } from "@zk0/policy";
import { z } from "zod";

/** The two cameras that every figure is for. */
export const CAMERAS = ["observation.images.camera1", "observation.images.camera2"];

/** An open model; disposing closes its file. */
export interface FullSizeModel extends Disposable {
	readonly model: PolicyModel;
	readonly file: SafetensorsFile;
	readonly trained: readonly string[];
}

/** Opens the weights of a checkpoint directory. */
export function openFullSize(checkpoint: string): FullSizeModel {
	const file = openSafetensors(join(checkpoint, "model.safetensors"));
	const { config, vlm } = smolvlaBasePreset();
	return {
		model: { config, vlm, tensors: fileTensors(file) },
		file,
		trained: trainableNames(config, vlm),
		[Symbol.dispose]: () => file[Symbol.dispose](),
	};
}

/** What the published checkpoint has. */
const PUBLISHED = {
	tensors: 500,
	parameters: 450_046_176,
	trainedTensors: 155,
	trainedParameters: 99_880_992,
};

/** Counts of a model whose names and shapes are the published ones. @throws RangeError when any differs */
export function checkCounts({ file, trained }: FullSizeModel): typeof PUBLISHED {
	const path = new URL("../../golden/full_shapes.json", import.meta.url);
	const published = z.record(z.string(), z.array(z.number())).parse(JSON.parse(readFileSync(path, "utf8")));
	const alike = Object.entries(published).filter(
		([name, shape]) => String(file.entries.get(name)?.shape) === String(shape),
	);
	const count = (names: Iterable<string>): number =>
		[...names].reduce((sum, name) => sum + numElements(file.entries.get(name)?.shape ?? [0]), 0);
	const found: typeof PUBLISHED = {
		tensors: alike.length,
		parameters: count(file.entries.keys()),
		trainedTensors: trained.length,
		trainedParameters: count(trained),
	};
	if (JSON.stringify(found) !== JSON.stringify(PUBLISHED)) {
		throw new RangeError(`full size: ${JSON.stringify(found)}, published is ${JSON.stringify(PUBLISHED)}`);
	}
	return found;
}
