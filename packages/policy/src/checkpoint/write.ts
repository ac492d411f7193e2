// Writes a checkpoint directory that LeRobot opens, atomically.

import { copyFile, link, mkdir, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { bytesOf, codeOf, encodeSafetensorsHeader, type NamedArrays, type TensorInfo } from "@zk0/arrays";
import { writeFileAtomic, writePartsAtomic, writeSafetensorsFile } from "@zk0/arrays/node";
import type { SmolVLAConfig } from "../config/policy-config.ts";
import { SMOLVLM2_500M, type VlmConfig } from "../config/vlm-config.ts";
import { PolicyError } from "../errors.ts";
import type { Stats } from "../inputs/normalizer.ts";
import { loadTokenizer } from "../language/tokenizer.ts";
import { adapterShapes, checkAdapter, isAdapterTensor, type LoraAdapter } from "../lora/adapter.ts";
import type { AdapterBase } from "../lora/adapter-base.ts";
import { adapterConfigJson } from "../lora/adapter-config.ts";
import { LM_HEAD } from "../weights/tensor-names.ts";
import { tensorShapes } from "../weights/tensor-shapes.ts";
import { checkTensors, type TensorSource } from "../weights/tensor-source.ts";
import { replaceDirectory } from "./atomic-directory.ts";
import {
	ADAPTER_CONFIG_FILE,
	ADAPTER_FILE,
	CONFIG_FILE,
	MODEL_FILE,
	SIDECAR_FILE,
	TOKENIZER_FOLDER,
	VLM_FOLDER,
} from "./layout.ts";
import type { Checkpoint } from "./open.ts";
import { processorFiles, type RenameMap } from "./processors.ts";
import { type AdapterNote, sidecarJson } from "./sidecar.ts";
import { vlmFolderFiles } from "./vlm-folder.ts";

const TOKENIZER_FILES =
	/^(tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json|vocab\.json|merges\.txt|chat_template\.(json|jinja))$/;
const METADATA = { format: "pt" };

/** What a checkpoint is made of. */
export interface CheckpointContent {
	readonly config: SmolVLAConfig;
	readonly vlm: VlmConfig;
	/** Every tensor of the model, in the dtypes to be stored; further ones are not written. */
	readonly tensors: TensorSource;
	/** Folder whose tokenizer files are copied. */
	readonly tokenizerDir: string;
	/**
	 * One site's statistics and camera map. Absent: a global checkpoint, marked as not deployable and without
	 * statistics.
	 */
	readonly site?: { readonly stats: Stats; readonly renameMap: RenameMap };
	/** Then only the adapter's tensors are written, in peft's format, with the name of their base. */
	readonly adapter?: { readonly structure: LoraAdapter; readonly base: AdapterBase } | undefined;
	/**
	 * A weights file with the same tensors: it becomes a second name of the same file when its bytes would be the same and
	 * the file system can, so that copies of a large model cost neither time nor space.
	 */
	readonly sharedWeights?: string | undefined;
}

/** What a copy of an open checkpoint is made of, a global one. */
export function contentOf({ config, vlm, model, tokenizerDir, base }: Checkpoint): CheckpointContent {
	const adapter =
		base === null || model.adapter === undefined ? undefined : { structure: model.adapter, base };
	return { config, vlm, tensors: model.tensors, tokenizerDir, adapter };
}

function jsonText(content: unknown): string {
	return `${JSON.stringify(content, null, 2)}\n`;
}

function storedNames({ config, vlm, tensors, adapter }: CheckpointContent): string[] {
	if (adapter !== undefined) return [...adapterShapes(adapter.structure, config, vlm).keys()];
	return [...tensorShapes(config, vlm).keys()].filter(
		(name) => name !== LM_HEAD || tensors.shapeOf(name) !== undefined,
	);
}

/** Tensors sorted by name as LeRobot's and peft's safetensors writers do, read one at a time. */
async function writeTensors(
	path: string,
	content: CheckpointContent,
	signal: AbortSignal | undefined,
): Promise<void> {
	const { tensors } = content;
	const names = storedNames(content);
	const infos = new Map<string, TensorInfo>();
	for (const name of names.sort()) {
		const shape = tensors.shapeOf(name);
		const dtype = tensors.dtypeOf(name);
		if (shape === undefined || dtype === undefined) {
			throw new PolicyError("missing-tensor", `there is no tensor ${name}`, { key: name });
		}
		infos.set(name, { dtype, shape });
	}
	const header = encodeSafetensorsHeader(infos, METADATA);
	if (content.sharedWeights !== undefined && (await linkEqual(content.sharedWeights, path, header))) return;
	function* parts(): Generator<Uint8Array> {
		yield header;
		for (const name of infos.keys()) {
			signal?.throwIfAborted();
			yield bytesOf(tensors.read(name).data);
		}
	}
	await writePartsAtomic(path, parts());
}

/** Links a weights file whose header is `header`: names, types, shapes and order decide all of its other bytes. */
async function linkEqual(existing: string, path: string, header: Uint8Array): Promise<boolean> {
	const file = await open(existing, "r");
	try {
		const head = Buffer.alloc(header.length);
		const { bytesRead } = await file.read(head, 0, head.length, 0);
		if (bytesRead !== head.length || !head.equals(header)) return false;
	} finally {
		await file.close();
	}
	try {
		await link(existing, path);
		return true;
	} catch (error) {
		const isUnable = LINK_REFUSED.has(codeOf(error) ?? "");
		if (isUnable) return false;
		throw error;
	}
}

/** What file systems without hard links, or across two of them, answer. */
const LINK_REFUSED: ReadonlySet<string> = new Set(["EPERM", "EMLINK", "ENOTSUP", "EXDEV", "ENOSYS"]);

async function copyTokenizer(from: string, to: string): Promise<void> {
	await mkdir(to, { recursive: true });
	const names = (await readdir(from)).filter((name) => TOKENIZER_FILES.test(name));
	for (const name of names) {
		await copyFile(join(from, name), join(to, name));
		const handle = await open(join(to, name), "r+");
		try {
			await handle.sync();
		} finally {
			await handle.close();
		}
	}
}

async function fill(
	directory: string,
	content: CheckpointContent,
	signal: AbortSignal | undefined,
): Promise<void> {
	const { config, vlm, tokenizerDir, site, adapter } = content;
	const tokenizer = loadTokenizer(tokenizerDir);
	await copyTokenizer(tokenizerDir, join(directory, TOKENIZER_FOLDER));
	const documents: Record<string, unknown> = {
		[CONFIG_FILE]: { ...config, use_peft: adapter !== undefined },
	};
	if (config.vlm_model_name !== SMOLVLM2_500M) {
		await copyTokenizer(tokenizerDir, join(directory, VLM_FOLDER));
		for (const [name, document] of Object.entries(vlmFolderFiles(vlm, tokenizer))) {
			documents[join(VLM_FOLDER, name)] = document;
		}
	}
	const processors = processorFiles(config, site ?? { stats: {}, renameMap: {} });
	if (adapter !== undefined) {
		documents[ADAPTER_CONFIG_FILE] = adapterConfigJson(adapter.structure, adapter.base, { config, vlm });
	}
	Object.assign(documents, processors.json, {
		[SIDECAR_FILE]: sidecarJson(site === undefined ? "global" : "bound", noteOf(content)),
	});
	for (const [name, document] of Object.entries(documents)) {
		await writeFileAtomic(join(directory, name), jsonText(document));
	}
	for (const [name, arrays] of Object.entries<NamedArrays>(processors.arrays)) {
		await writeSafetensorsFile(join(directory, name), arrays);
	}
	const file = adapter === undefined ? MODEL_FILE : ADAPTER_FILE;
	await writeTensors(join(directory, file), content, signal);
}

function noteOf({ adapter }: CheckpointContent): AdapterNote | undefined {
	if (adapter === undefined) return undefined;
	const { directory, sha256 } = adapter.base;
	return { trains: adapter.structure.trains, base: { directory, sha256 } };
}

/** An adapter's tensors would be lost without a word if its structure were forgotten. */
function checkContent({ tensors, config, vlm, adapter }: CheckpointContent): void {
	checkTensors(tensors, config, vlm);
	if (adapter !== undefined) checkAdapter(tensors, adapter.structure, { config, vlm });
	const stray = adapter === undefined ? tensors.names.find(isAdapterTensor) : undefined;
	if (stray === undefined) return;
	throw new PolicyError("bad-config", `${stray} belongs to an adapter; merge it or write the adapter`, {
		key: stray,
	});
}

/**
 * Writes `directory`, replacing an older one as a whole; on failure, and when `signal` aborts, the older one stays.
 * Tensors are read one at a time.
 * @throws PolicyError missing-tensor | wrong-shape | bad-config | bad-tokenizer | write-failed; the signal's reason
 */
export async function writeCheckpoint(
	directory: string,
	content: CheckpointContent,
	options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
	const { signal } = options;
	checkContent(content);
	try {
		await replaceDirectory(directory, (temporary) => fill(temporary, content, signal));
	} catch (error) {
		signal?.throwIfAborted();
		throw error;
	}
}
