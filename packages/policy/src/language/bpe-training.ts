// Trains the small preset's tokenizer: byte-level BPE (Sennrich et al., 2016; Radford et al., 2019) with GPT-2's
// pre-tokenisation after splitting digits apart, as SmolLM2's tokenizer does. Produces the three files that
// transformers' AutoTokenizer and @huggingface/tokenizers read. Ids: 0..2 chat tokens, 3..258 bytes, then merges in
// order of training, then the image tokens.
import { PolicyError } from "../errors.ts";

const LEADING_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] as const;
const TRAILING_TOKENS = [
	"<global-img>",
	"<fake_token_around_image>",
	"<image>",
	"<end_of_utterance>",
] as const;
const WORD = /\d|'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+| ?(?=\d)|\s+(?!\S)|\s+/gu;
const NUM_BYTES = 256;

/** Printable stand-ins of the 256 bytes (GPT-2's table): printable Latin-1 stands for itself. */
function byteCharacters(): string[] {
	const isPrintable = (byte: number): boolean =>
		(byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
	let extra = 0;
	return Array.from({ length: NUM_BYTES }, (_, byte) =>
		String.fromCodePoint(isPrintable(byte) ? byte : NUM_BYTES + extra++),
	);
}

function wordCounts(texts: Iterable<string>): Map<string, number> {
	const characters = byteCharacters();
	const counts = new Map<string, number>();
	for (const text of texts) {
		for (const [word] of text.matchAll(WORD)) {
			const spelled = Array.from(new TextEncoder().encode(word), (byte) => characters[byte] ?? "").join("");
			if (spelled !== "") counts.set(spelled, (counts.get(spelled) ?? 0) + 1);
		}
	}
	return counts;
}

interface Word {
	symbols: string[];
	readonly count: number;
}

/** The most frequent pair, ties broken by code-unit order; undefined when no pair occurs twice. */
function bestPair(words: readonly Word[]): readonly [string, string] | undefined {
	const counts = new Map<string, number>();
	for (const { symbols, count } of words) {
		for (let index = 1; index < symbols.length; index++) {
			const key = `${symbols[index - 1]} ${symbols[index]}`;
			counts.set(key, (counts.get(key) ?? 0) + count);
		}
	}
	let best: { readonly key: string; readonly count: number } | undefined;
	for (const [key, count] of counts) {
		if (best === undefined || count > best.count || (count === best.count && key < best.key))
			best = { key, count };
	}
	const [left, right] = best === undefined || best.count < 2 ? [] : best.key.split(" ");
	return left === undefined || right === undefined ? undefined : [left, right];
}

function merge(symbols: readonly string[], [left, right]: readonly [string, string]): string[] {
	const merged: string[] = [];
	for (const symbol of symbols) {
		if (symbol === right && merged.at(-1) === left) merged[merged.length - 1] = left + right;
		else merged.push(symbol);
	}
	return merged;
}

function learnMerges(texts: Iterable<string>, limit: number): (readonly [string, string])[] {
	const words: Word[] = [...wordCounts(texts)].map(([word, count]) => ({ symbols: Array.from(word), count }));
	const merges: (readonly [string, string])[] = [];
	const known = new Set<string>();
	while (merges.length < limit) {
		const pair = bestPair(words);
		if (pair === undefined) break;
		for (const word of words) word.symbols = merge(word.symbols, pair);
		if (known.has(pair.join(""))) continue;
		known.add(pair.join(""));
		merges.push(pair);
	}
	return merges;
}

function specialToken(id: number, content: string): Record<string, unknown> {
	return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
}

/** Contents of the tokenizer's files by file name. */
export type TokenizerFiles = Readonly<Record<string, unknown>>;

/**
 * Learns a vocabulary of at most `vocabSize` ids from `texts`; the same texts in any order give the same files.
 * @throws PolicyError bad-tokenizer when `vocabSize` leaves no room for bytes and special tokens
 */
export function trainTokenizer(texts: Iterable<string>, vocabSize: number): TokenizerFiles {
	const numFixed = LEADING_TOKENS.length + NUM_BYTES + TRAILING_TOKENS.length;
	if (vocabSize < numFixed) {
		throw new PolicyError(
			"bad-tokenizer",
			`a vocabulary of ${vocabSize} cannot hold ${numFixed} fixed tokens`,
		);
	}
	const merges = learnMerges(texts, vocabSize - numFixed);
	const tokens = [...LEADING_TOKENS, ...byteCharacters(), ...merges.map((pair) => pair.join(""))];
	const trailing = TRAILING_TOKENS.map((content, index) => specialToken(tokens.length + index, content));
	const added = [...LEADING_TOKENS.map((content, id) => specialToken(id, content)), ...trailing];
	const named = {
		bos_token: "<|im_start|>",
		eos_token: "<|im_end|>",
		unk_token: "<|endoftext|>",
		pad_token: "<|im_end|>",
	};
	const image = {
		fake_image_token: "<fake_token_around_image>",
		global_image_token: "<global-img>",
		image_token: "<image>",
		end_of_utterance_token: "<end_of_utterance>",
	};
	return {
		"tokenizer.json": {
			version: "1.0",
			truncation: null,
			padding: null,
			added_tokens: added,
			normalizer: null,
			pre_tokenizer: {
				type: "Sequence",
				pretokenizers: [
					{ type: "Digits", individual_digits: true },
					{ type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
				],
			},
			post_processor: null,
			decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
			model: {
				type: "BPE",
				dropout: null,
				unk_token: null,
				continuing_subword_prefix: null,
				end_of_word_suffix: null,
				fuse_unk: false,
				byte_fallback: false,
				vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
				merges: merges.map((pair) => pair.join(" ")),
			},
		},
		"tokenizer_config.json": {
			tokenizer_class: "PreTrainedTokenizerFast",
			add_prefix_space: false,
			clean_up_tokenization_spaces: false,
			model_max_length: 8192,
			padding_side: "right",
			added_tokens_decoder: Object.fromEntries(added.map(({ id, ...token }) => [String(id), token])),
			extra_special_tokens: image,
			...named,
			...image,
		},
		"special_tokens_map.json": named,
	};
}
