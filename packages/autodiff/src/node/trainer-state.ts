// A trainer's parameters and optimizer as a safetensors file. In host memory they are written from where they are, so
// that saving a large model costs no copy of it.
import type { NamedArrays, NdArray } from "@zk0/arrays";
import { sameShape } from "@zk0/arrays";
import { openSafetensors, type SafetensorsFile, writeSafetensorsFile } from "@zk0/arrays/node";
import { AutodiffError } from "../errors.ts";
import { describeType, type TensorType } from "../graph.ts";
import type { ParameterHome } from "./parameter-home.ts";

/** Prefix of the parameters' names in the file; moments are named as in OptimizerState. */
const WEIGHT = "weight:";
const PREFIXES = [WEIGHT, "exp_avg:", "exp_avg_sq:"];
/** Metadata key of AdamW's update count. */
const STEP_KEY = "optimizerStep";

/** Writes the file, whole or not at all. */
export async function saveTrainerState(
	home: ParameterHome,
	path: string,
	metadata: Readonly<Record<string, string>>,
): Promise<void> {
	const { weights, optimizer } = await home.view();
	const named = [...weights].map(([name, array]) => [WEIGHT + name, array] as const);
	await writeSafetensorsFile(path, new Map([...named, ...optimizer.moments]), {
		metadata: { ...metadata, [STEP_KEY]: String(optimizer.step) },
	});
}

/** Reads the file; its metadata without our own key. @throws AutodiffError "bad-parameters" | "non-finite"; ArraysError */
export async function loadTrainerState(
	home: ParameterHome,
	parameters: ReadonlyMap<string, TensorType>,
	path: string,
): Promise<Readonly<Record<string, string>>> {
	using file = openSafetensors(path);
	checkEntries(file, parameters);
	const read = (prefix: string, prefixOut: string): [string, NdArray][] =>
		[...parameters.keys()].map((name) => [prefixOut + name, file.read(prefix + name)]);
	await home.load(new Map(read(WEIGHT, "")));
	const moments: NamedArrays = new Map(PREFIXES.slice(1).flatMap((prefix) => read(prefix, prefix)));
	const { [STEP_KEY]: step, ...metadata } = file.metadata;
	await home.loadOptimizer({ step: Number(step), moments });
	return metadata;
}

function checkEntries(file: SafetensorsFile, parameters: ReadonlyMap<string, TensorType>): void {
	const expected = new Map(
		PREFIXES.flatMap((prefix) => [...parameters].map(([name, type]) => [prefix + name, type] as const)),
	);
	const bad = (tensor: string, why: string): AutodiffError =>
		new AutodiffError("bad-parameters", `${file.path}: "${tensor}" ${why}`, { tensor });
	for (const name of file.entries.keys()) {
		if (!expected.has(name)) throw bad(name, "is not part of this trainer's state");
	}
	for (const [name, { shape }] of expected) {
		const entry = file.entries.get(name);
		if (entry === undefined) throw bad(name, "is missing");
		if (entry.dtype !== "float32" || !sameShape(entry.shape, shape)) {
			throw bad(name, `is ${describeType(entry)}, expected ${describeType({ dtype: "float32", shape })}`);
		}
	}
}
