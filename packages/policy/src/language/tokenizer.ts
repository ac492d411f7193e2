// Task text to token ids: a thin layer over @huggingface/tokenizers that reads a tokenizer folder as transformers'
// AutoTokenizer does (tokenizer.json, tokenizer_config.json), with LeRobot's newline rule, truncation and padding.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { type NdArray, ndArray } from "@zk0/arrays";
import { z } from "zod";
import { PolicyError } from "../errors.ts";

/** Ids of the tokens that may stand around an image's tokens (`add_image_special_tokens`). */
export interface ImageTokenIds {
	readonly fake: number;
	readonly global: number;
}

/** A loaded tokenizer; holds no native resources. */
export interface Tokenizer {
	/** The token ids of a text, neither padded nor truncated. */
	encode(text: string): { readonly ids: readonly number[] };
	/** The text of token ids, special tokens included. */
	decode(ids: readonly number[]): string;
	/** Id that fills unused slots (`<|im_end|>`). */
	readonly padId: number;
	/** Null when the tokenizer has no such tokens. */
	readonly imageTokens: ImageTokenIds | null;
	/** Id of a token by its exact text, e.g. `<image>`. */
	idOf(token: string): number | undefined;
}

const addedToken = z.object({ content: z.string() });
const tokenizerConfig = z.looseObject({
	pad_token: z.union([z.string(), addedToken.transform(({ content }) => content)]).default("<|im_end|>"),
});
const tokenizerJson = z.looseObject({ model: z.looseObject({ type: z.string() }) });

function readJson(path: string): unknown {
	try {
		return JSON.parse(readFileSync(path, "utf8"));
	} catch (cause) {
		throw new PolicyError(
			"bad-tokenizer",
			"the file is missing or not JSON; copy the tokenizer's folder whole",
			{
				cause,
				path,
			},
		);
	}
}

function build(directory: string): { readonly inner: HuggingFaceTokenizer; readonly padToken: string } {
	const model = readJson(join(directory, "tokenizer.json"));
	const settings = readJson(join(directory, "tokenizer_config.json"));
	try {
		const config = tokenizerConfig.parse(settings);
		return {
			inner: new HuggingFaceTokenizer(tokenizerJson.parse(model), config),
			padToken: config.pad_token,
		};
	} catch (cause) {
		throw new PolicyError("bad-tokenizer", "the tokenizer's files are not understood", {
			cause,
			path: directory,
		});
	}
}

/** Loads the tokenizer of a folder. @throws PolicyError bad-tokenizer */
export function loadTokenizer(directory: string): Tokenizer {
	const { inner, padToken } = build(directory);
	const padId = inner.token_to_id(padToken);
	if (padId === undefined) {
		throw new PolicyError("bad-tokenizer", `pad token ${padToken} is not in the vocabulary`, {
			path: directory,
		});
	}
	const fake = inner.token_to_id("<fake_token_around_image>");
	const global = inner.token_to_id("<global-img>");
	return {
		encode: (text) => ({ ids: inner.encode(text).ids }),
		decode: (ids) =>
			ids.length === 0
				? ""
				: inner.decode([...ids], { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
		padId,
		imageTokens: fake === undefined || global === undefined ? null : { fake, global },
		idOf: (token) => inner.token_to_id(token),
	};
}

/** Token ids of a batch of tasks. */
export interface EncodedTasks {
	/** int64 `[tasks, length]`, padded on the right. */
	readonly ids: NdArray<"int64">;
	/** `[tasks, length]`, 1 for real tokens. */
	readonly mask: Uint8Array;
}

/** How {@link encodeTasks} pads and truncates. */
export interface EncodeTasksOptions {
	/** Slots per task; longer texts lose their end (`tokenizer_max_length`). */
	readonly length: number;
	/** Ids at or above this are refused: the embedding table has no row for them. */
	readonly vocabSize: number;
}

/** LeRobot's smolvla_new_line_processor: a task ends with a newline. */
export function withNewline(task: string): string {
	return task.endsWith("\n") ? task : `${task}\n`;
}

/** Encodes each task with its final newline. @throws PolicyError bad-tokenizer when an id exceeds the vocabulary */
export function encodeTasks(
	tokenizer: Tokenizer,
	tasks: readonly string[],
	{ length, vocabSize }: EncodeTasksOptions,
): EncodedTasks {
	const ids = new BigInt64Array(tasks.length * length).fill(BigInt(tokenizer.padId));
	const mask = new Uint8Array(tasks.length * length);
	const known = new Map<string, readonly number[]>();
	tasks.forEach((task, row) => {
		const tokens = known.get(task) ?? tokenizer.encode(withNewline(task)).ids.slice(0, length);
		known.set(task, tokens);
		tokens.forEach((token, column) => {
			if (token >= vocabSize) {
				throw new PolicyError(
					"bad-tokenizer",
					`token id ${token} of "${task}" is outside the vocabulary of ${vocabSize}; ` +
						"the tokenizer belongs to another backbone",
				);
			}
			ids[row * length + column] = BigInt(token);
			mask[row * length + column] = 1;
		});
	});
	return { ids: ndArray("int64", [tasks.length, length], ids), mask };
}
