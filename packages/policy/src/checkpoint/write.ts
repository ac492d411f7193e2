// Writes a checkpoint directory that LeRobot opens, atomically.
import { copyFile, mkdir, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { bytesOf, encodeSafetensorsHeader, type NamedArrays, type TensorInfo } from "@zk0/arrays";
import { writeFileAtomic, writePartsAtomic, writeSafetensorsFile } from "@zk0/arrays/node";
import type { SmolVLAConfig } from "../config/policy-config.ts";
import { SMOLVLM2_500M, type VlmConfig } from "../config/vlm-config.ts";
import { PolicyError } from "../errors.ts";
import type { Stats } from "../inputs/normalizer.ts";
import { loadTokenizer } from "../language/tokenizer.ts";
import { LM_HEAD } from "../weights/tensor-names.ts";
import { tensorShapes } from "../weights/tensor-shapes.ts";
import { checkTensors, type TensorSource } from "../weights/tensor-source.ts";
import { replaceDirectory } from "./atomic-directory.ts";
import { CONFIG_FILE, MODEL_FILE, SIDECAR_FILE, TOKENIZER_FOLDER, VLM_FOLDER } from "./layout.ts";
import { processorFiles, type RenameMap } from "./processors.ts";
import { sidecarJson } from "./sidecar.ts";
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
}

function jsonText(content: unknown): string {
	return `${JSON.stringify(content, null, 2)}\n`;
}

/** Tensors sorted by name as LeRobot's safetensors writer does, read one at a time. */
async function writeModel(
	path: string,
	{ config, vlm, tensors }: CheckpointContent,
	signal: AbortSignal | undefined,
): Promise<void> {
	const names = [...tensorShapes(config, vlm).keys()].filter(
		(name) => name !== LM_HEAD || tensors.shapeOf(name) !== undefined,
	);
	const infos = new Map<string, TensorInfo>();
	for (const name of names.sort()) {
		const shape = tensors.shapeOf(name);
		const dtype = tensors.dtypeOf(name);
		if (shape === undefined || dtype === undefined) {
			throw new PolicyError("missing-tensor", `there is no tensor ${name}`, { key: name });
		}
		infos.set(name, { dtype, shape });
	}
	function* parts(): Generator<Uint8Array> {
		yield encodeSafetensorsHeader(infos, METADATA);
		for (const name of infos.keys()) {
			signal?.throwIfAborted();
			yield bytesOf(tensors.read(name).data);
		}
	}
	await writePartsAtomic(path, parts());
}

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
	const { config, vlm, tokenizerDir, site } = content;
	const tokenizer = loadTokenizer(tokenizerDir);
	await copyTokenizer(tokenizerDir, join(directory, TOKENIZER_FOLDER));
	const documents: Record<string, unknown> = { [CONFIG_FILE]: config };
	if (config.vlm_model_name !== SMOLVLM2_500M) {
		await copyTokenizer(tokenizerDir, join(directory, VLM_FOLDER));
		for (const [name, document] of Object.entries(vlmFolderFiles(vlm, tokenizer))) {
			documents[join(VLM_FOLDER, name)] = document;
		}
	}
	const processors = processorFiles(config, site ?? { stats: {}, renameMap: {} });
	Object.assign(documents, processors.json, {
		[SIDECAR_FILE]: sidecarJson(site === undefined ? "global" : "bound"),
	});
	for (const [name, document] of Object.entries(documents)) {
		await writeFileAtomic(join(directory, name), jsonText(document));
	}
	for (const [name, arrays] of Object.entries<NamedArrays>(processors.arrays)) {
		await writeSafetensorsFile(join(directory, name), arrays);
	}
	await writeModel(join(directory, MODEL_FILE), content, signal);
}

/**
 * Writes `directory`, replacing an older one as a whole; on failure, and when `signal` aborts, the older one stays.
 * Tensors are read one at a time.
 * @throws PolicyError missing-tensor | wrong-shape | bad-tokenizer | write-failed; the signal's reason
 */
export async function writeCheckpoint(
	directory: string,
	content: CheckpointContent,
	options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
	const { signal } = options;
	checkTensors(content.tensors, content.config, content.vlm);
	try {
		await replaceDirectory(directory, (temporary) => fill(temporary, content, signal));
	} catch (error) {
		signal?.throwIfAborted();
		throw error;
	}
}
