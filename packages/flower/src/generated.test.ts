// The checked-in protobuf code belongs to the checked-in .proto files: `npm run generate -w packages/flower` if not.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const root = new URL("../", import.meta.url);
const read = (path: string): Buffer => readFileSync(new URL(path, root));
const list = (folder: string, extension: string): string[] =>
	readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" })
		.filter((name) => name.endsWith(extension))
		.map((name) => `${folder}/${name}`);

test("generated code is up to date and untouched", () => {
	const hashes = Object.fromEntries(
		[...list("proto", ".proto"), ...list("src/gen", ".ts")]
			.sort()
			.map((path) => [path, createHash("sha256").update(read(path)).digest("hex")]),
	);
	expect(hashes).toEqual(JSON.parse(read("src/gen/hashes.json").toString()));
});
