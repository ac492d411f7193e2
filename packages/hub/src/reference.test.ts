import { describe, expect, test } from "vitest";
import { isHubReference, parseHubReference } from "./reference.ts";

test("isHubReference tells references from directories", () => {
	expect(["hf:a/b", "models/a", "hf"].map(isHubReference)).toEqual([true, false, false]);
});

describe("parseHubReference", () => {
	test.each([
		["hf:a/b", { repo: "a/b", revision: null }],
		["hf:a-1/b.c@v3.0", { repo: "a-1/b.c", revision: "v3.0" }],
		["hf:a/b@refs/pr/2", { repo: "a/b", revision: "refs/pr/2" }],
	])("%s", (text, parsed) => {
		expect(parseHubReference(text)).toEqual(parsed);
	});

	test.each(["hf:a", "hf:../b", "hf:a/b@../c", "hf:a/b@", "hf:a/b/c", "a/b"])("refuses %s", (text) => {
		expect(() => parseHubReference(text)).toThrow(expect.objectContaining({ code: "bad-reference" }));
	});
});
