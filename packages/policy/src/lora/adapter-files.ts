// The two files of an adapter: `adapter_config.json` and `adapter_model.safetensors`. Which modules are adapted is read
// off the tensors' names and not off `target_modules`, a Python regular expression or a list of suffixes.
import { join } from "node:path";
import type { NamedArrays, NdArray } from "@zk0/arrays";
import { openSafetensors } from "@zk0/arrays/node";
import { ADAPTER_CONFIG_FILE, ADAPTER_FILE } from "../checkpoint/layout.ts";
import { readJson } from "../checkpoint/read-json.ts";
import { readAdapterNote } from "../checkpoint/sidecar.ts";
import type { SmolVLAConfig } from "../config/policy-config.ts";
import type { VlmConfig } from "../config/vlm-config.ts";
import { PolicyError } from "../errors.ts";
import { tensorShapes } from "../weights/tensor-shapes.ts";
import { memoryTensors } from "../weights/tensor-source.ts";
import { checkAdapter, type LoraAdapter, parseAdapterName } from "./adapter.ts";
import { type AdapterConfig, parseAdapterConfig } from "./adapter-config.ts";

/** Reads what an adapter says about itself. @throws PolicyError bad-checkpoint | unsupported */
export async function readAdapterConfig(directory: string): Promise<AdapterConfig> {
	const path = join(directory, ADAPTER_CONFIG_FILE);
	return parseAdapterConfig(await readJson(path), path);
}

/** An adapter that was read. */
export interface StoredAdapter {
	readonly adapter: LoraAdapter;
	/** float32, whatever was stored. */
	readonly arrays: NamedArrays;
}

function readArrays(path: string): Map<string, NdArray> {
	try {
		using file = openSafetensors(path);
		return new Map([...file.entries.keys()].map((name) => [name, file.readFloat32(name)]));
	} catch (cause) {
		throw new PolicyError("bad-checkpoint", "the adapter cannot be read; copy the file again", {
			cause,
			path,
		});
	}
}

/**
 * Reads an adapter's tensors and checks them against the model.
 * @throws PolicyError bad-checkpoint | missing-tensor | wrong-shape | unsupported
 */
export async function readStoredAdapter(
	directory: string,
	{ rank, alpha }: AdapterConfig,
	model: { readonly config: SmolVLAConfig; readonly vlm: VlmConfig },
): Promise<StoredAdapter> {
	const note = await readAdapterNote(directory);
	const path = join(directory, ADAPTER_FILE);
	const arrays = readArrays(path);
	const own = tensorShapes(model.config, model.vlm);
	const adapted = new Set<string>();
	const saved = new Set<string>();
	for (const name of arrays.keys()) {
		const found = parseAdapterName(name);
		const tensor = found?.factor === null ? found.target : `${found?.target}.weight`;
		if (found === null || !own.has(tensor)) {
			throw new PolicyError(
				"bad-checkpoint",
				`the adapter has a tensor ${name} that the model has no place for`,
				{
					path,
					key: name,
				},
			);
		}
		if (found.factor === null) saved.add(tensor.replace(/\.[^.]*$/, ""));
		else adapted.add(found.target);
	}
	const inOrder = (modules: ReadonlySet<string>): string[] => [
		...new Set(
			[...own.keys()].map((name) => name.replace(/\.[^.]*$/, "")).filter((module) => modules.has(module)),
		),
	];
	const adapter: LoraAdapter = {
		rank,
		alpha,
		modules: inOrder(adapted),
		savedModules: inOrder(saved),
		trains: note?.trains ?? "both",
	};
	checkAdapter(memoryTensors(arrays), adapter, model);
	return { adapter, arrays };
}
