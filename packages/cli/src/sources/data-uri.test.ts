import { describe, expect, test } from "vitest";
import { formatSelection, parseDataUri } from "./data-uri.ts";

const repo = { repo: "a/b", revision: null };

describe("parseDataUri", () => {
	test.each([
		["data/kitchen", { kind: "local", path: "/work/data/kitchen", selection: undefined }],
		["/data/what?", { kind: "local", path: "/data/what?", selection: undefined }],
		["local:kitchen", { kind: "local", path: "/work/kitchen", selection: undefined }],
		[
			"local:/d?episodes=3,0-1",
			{ kind: "local", path: "/d", selection: { episodes: [0, 1, 3], cameras: undefined } },
		],
		["hf:a/b", { kind: "hub", reference: repo, selection: undefined }],
		["hf:a/b@v3.0?cameras=top,wrist", { kind: "hub", reference: { ...repo, revision: "v3.0" } }],
		["hf:a/b?cameras=", { kind: "hub", selection: { episodes: undefined, cameras: [] } }],
		["sim:reach-red?episodes=2", { kind: "sim", source: { tasks: ["reach-red"], episodes: 2 } }],
	])("%s", (uri, expected) => {
		expect(parseDataUri(uri, "/work")).toMatchObject(expected);
	});

	test.each([
		["s3://bucket/x", "bad-data-uri"],
		["hf:a/b?frames=2", "bad-data-uri"],
		["hf:a/b?episodes=2-1", "bad-data-uri"],
		["hf:a/b?episodes=1,", "bad-data-uri"],
		["hf:a/b?episodes=0-99999999999", "bad-data-uri"],
		["hf:a", "bad-reference"],
		["sim:reach", "unknown-task"],
	])("refuses %s", (uri, code) => {
		expect(() => parseDataUri(uri, "/work")).toThrow(expect.objectContaining({ code }));
	});
});

test("a selection is written as it is read", () => {
	const query = "?episodes=0-2,5,7-8&cameras=top,wrist";
	const source = parseDataUri(`hf:a/b${query}`, "/");
	expect(source.kind === "hub" ? formatSelection(source.selection) : "").toBe(query);
	expect(formatSelection(undefined)).toBe("");
});
