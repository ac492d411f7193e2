import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { trainTokenizer } from "./bpe-training.ts";
import { encodeTasks, loadTokenizer } from "./tokenizer.ts";

const directory = mkdtempSync(join(tmpdir(), "zk0-tokenizer-"));
afterAll(() => rmSync(directory, { recursive: true }));

function writeTokenizer(texts: readonly string[], vocabSize: number, name: string): string {
	const path = mkdtempSync(join(directory, name));
	for (const [file, content] of Object.entries(trainTokenizer(texts, vocabSize))) {
		writeFileSync(join(path, file), JSON.stringify(content));
	}
	return path;
}

const TEXTS = ["Reach the red cube\n", "Push the red cube to the left\n", "Reach the blue cube\n"];
const trained = loadTokenizer(writeTokenizer(TEXTS, 300, "trained-"));
const committed = loadTokenizer(new URL("../../assets/small/tokenizer", import.meta.url).pathname);

describe.each([
	["trained here", trained],
	["committed for the small preset", committed],
])("the tokenizer %s", (_, tokenizer) => {
	test("gives back any text", () => {
		const text = fc.oneof(fc.string({ unit: "binary", maxLength: 60 }), fc.string({ unit: "grapheme" }));
		fc.assert(
			fc.property(text, (input) => {
				fc.pre(!/\p{Surrogate}/u.test(input));
				expect(tokenizer.decode(tokenizer.encode(input).ids)).toBe(input);
			}),
		);
	});

	test("splits numbers into digits", () => {
		const one = tokenizer.encode("1").ids;
		expect(tokenizer.encode("111").ids).toEqual([...one, ...one, ...one]);
	});

	test("pads with <|im_end|> and knows the image tokens", () => {
		expect(tokenizer.padId).toBe(2);
		expect(tokenizer.imageTokens).not.toBeNull();
		expect(tokenizer.encode("<|im_end|>").ids).toEqual([2]);
	});

	test("spends few tokens on the words it was trained on", () => {
		expect(tokenizer.encode("Reach the red cube\n").ids.length).toBeLessThanOrEqual(5);
	});
});

describe("trainTokenizer", () => {
	test("does not depend on the order of the texts", () => {
		expect(trainTokenizer(TEXTS.toReversed(), 300)).toEqual(trainTokenizer(TEXTS, 300));
	});

	test("stays within the vocabulary and refuses one without room", () => {
		const ids = TEXTS.flatMap((text) => trained.encode(text).ids);
		expect(Math.max(...ids)).toBeLessThan(300);
		expect(() => trainTokenizer(TEXTS, 200)).toThrow(/bad-tokenizer/);
	});
});

describe("encodeTasks", () => {
	const options = { length: 6, vocabSize: 300 };

	test("appends one newline, truncates on the right and pads with the pad id", () => {
		const { ids, mask } = encodeTasks(trained, ["Reach", "Reach\n", "a b c d e f g h i"], options);
		const rows = [0, 1, 2].map((row) => [...ids.data.subarray(row * 6, row * 6 + 6)].map(Number));
		expect(rows[0]).toEqual(rows[1]);
		expect(trained.decode(rows[0] ?? [])).toMatch(/^Reach\n(<\|im_end\|>)+$/);
		expect([...mask.subarray(0, 6)]).toEqual([1, 1, 0, 0, 0, 0]);
		expect([...mask.subarray(12)]).toEqual([1, 1, 1, 1, 1, 1]);
	});

	test("refuses ids without a row in the embedding table", () => {
		expect(() => encodeTasks(trained, ["Reach"], { length: 6, vocabSize: 100 })).toThrow(/another backbone/);
	});
});

describe("loadTokenizer refuses", () => {
	test("an absent folder", () => {
		expect(() => loadTokenizer(join(directory, "absent"))).toThrow(/bad-tokenizer/);
	});

	test("a file that is not a tokenizer", () => {
		const path = writeTokenizer(TEXTS, 270, "broken-");
		writeFileSync(join(path, "tokenizer.json"), JSON.stringify({ model: {} }));
		expect(() => loadTokenizer(path)).toThrow(/bad-tokenizer.*not understood/);
	});

	test("a pad token that is not in the vocabulary", () => {
		const path = writeTokenizer(TEXTS, 270, "padless-");
		writeFileSync(join(path, "tokenizer_config.json"), JSON.stringify({ pad_token: "<none>" }));
		expect(() => loadTokenizer(path)).toThrow(/<none> is not in the vocabulary/);
	});
});
