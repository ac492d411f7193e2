// A Flower app's bundle from disk: a .fab file that `flwr build` made, or an app's folder.
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type AppBundle, packAppBundle, readAppBundle } from "../app-bundle.ts";
import { FlowerError } from "../errors.ts";
import { MAX_BUNDLE_FILES } from "../limits.ts";

const INCLUDED = /\.(?:py|toml|md|ya?ml|jsonl?)$|^LICENSE$/;
const EXCLUDED_FOLDERS = /^(?:\..*|__pycache__|tests?|build|dist|lib|venv|env|node_modules)$/;

/**
 * Reads a bundle, or makes one of an app's folder.
 * @throws FlowerError as `readAppBundle`; not-found; unimplemented for a folder whose rules for files are not simple.
 */
export async function loadAppBundle(path: string): Promise<AppBundle> {
	let isFolder: boolean;
	try {
		isFolder = (await stat(path)).isDirectory();
	} catch (cause) {
		throw new FlowerError("not-found", `There is no app at ${path}.`, { cause });
	}
	if (!isFolder) return readAppBundle(await readFile(path));
	const files = new Map<string, Uint8Array>();
	await collect(path, "", files);
	const config = new TextDecoder().decode(files.get("pyproject.toml"));
	if (files.has(".gitignore") || /^\s*fab-(?:include|exclude)\b/m.test(config))
		throw new FlowerError(
			"unimplemented",
			`${path} has rules of its own for what belongs to it (.gitignore, fab-include or fab-exclude): ` +
				"make the bundle with `flwr build --app` and give the .fab file.",
		);
	return packAppBundle(files);
}

async function collect(root: string, folder: string, files: Map<string, Uint8Array>): Promise<void> {
	for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
		const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
		const isRule = path === ".gitignore";
		if (entry.isDirectory() && !EXCLUDED_FOLDERS.test(entry.name)) await collect(root, path, files);
		else if (entry.isFile() && (isRule || INCLUDED.test(entry.name)))
			files.set(path, await readFile(join(root, path)));
		if (files.size > MAX_BUNDLE_FILES)
			throw new FlowerError("resource-exhausted", `${root} holds more files than an app needs.`);
	}
}
