import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unzipSync, zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { packAppBundle, readAppBundle } from "./app-bundle.ts";
import { loadAppBundle } from "./node/app-folder.ts";

const CONFIG = `[project]
name = "toy"
version = "1.2.0"
[tool.flwr.app]
publisher = "zk0"
[tool.flwr.app.components]
clientapp = "toy.app:app"
`;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const FILES: readonly (readonly [string, Uint8Array])[] = [
	["pyproject.toml", bytes(CONFIG)],
	["toy/app.py", bytes("app = None\n")],
];

describe("app bundles", () => {
	test("carry their names, and equal files make equal bundles in whatever order", () => {
		const bundle = packAppBundle(new Map(FILES));
		expect(bundle).toMatchObject({ id: "zk0/toy", version: "1.2.0" });
		expect(packAppBundle(new Map([...FILES].reverse())).hash).toBe(bundle.hash);
		expect(readAppBundle(bundle.content)).toEqual(bundle);
	});

	test.each([
		["no zip", bytes("x"), "no zip file"],
		["no manifest", zipSync({ "pyproject.toml": bytes(CONFIG) }), ".info/CONTENT"],
		["another file than listed", tampered("toy/app.py", "app = 1\n"), "toy/app.py is not what"],
		["too large", new Uint8Array(10 * 1024 * 1024 + 1), "at most"],
		["a bomb", zipSync({ bomb: new Uint8Array(51 << 20) }), "more than an app needs"],
	])("that nodes would refuse are refused: %s", (_, content, why) => {
		expect(() => readAppBundle(content)).toThrow(why);
	});

	test.each([
		[CONFIG.replace('publisher = "zk0"', ""), "tool.flwr.app.publisher"],
		[CONFIG.replace("clientapp", "other"), "components.clientapp"],
		["[project", "cannot be read"],
	])("need a whole pyproject.toml: %#", (config, why) => {
		expect(() => packAppBundle(new Map([["pyproject.toml", bytes(config)]]))).toThrow(why);
	});

	test("are made of a folder, without what is not the app's", async () => {
		const dir = await mkdtemp(join(tmpdir(), "zk0-app-"));
		try {
			for (const [path, content] of [
				...FILES,
				["toy/__pycache__/app.json", bytes("{}")],
				["tests/test_app.py", bytes("")],
				["toy/weights.bin", bytes("")],
			] as const) {
				await mkdir(join(dir, path, ".."), { recursive: true });
				await writeFile(join(dir, path), content);
			}
			const bundle = await loadAppBundle(dir);
			expect(Object.keys(unzipSync(bundle.content))).toEqual([
				"pyproject.toml",
				"toy/app.py",
				".info/CONTENT",
			]);
			expect(bundle.hash).toBe(packAppBundle(new Map(FILES)).hash);
			await writeFile(join(dir, "toy.fab"), bundle.content);
			expect(await loadAppBundle(join(dir, "toy.fab"))).toMatchObject({ hash: bundle.hash });
			await writeFile(join(dir, ".gitignore"), "secrets.json\n");
			await expect(loadAppBundle(dir)).rejects.toThrow("flwr build");
			await expect(loadAppBundle(join(dir, "none"))).rejects.toMatchObject({ code: "not-found" });
		} finally {
			await rm(dir, { recursive: true });
		}
	});
});

function tampered(path: string, content: string): Uint8Array {
	const files = unzipSync(packAppBundle(new Map(FILES)).content);
	return zipSync({ ...files, [path]: bytes(content) });
}
