// Optional npm packages: whether one is installed, so that a program without it can say so instead of failing deep inside.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { codeOf } from "../error-code.ts";

/**
 * The version of an npm package as the module `from` (its `import.meta.url`) would find it; null when it is not installed.
 * Looks for the package's manifest, not for an entry point that it may not export.
 */
export function installedVersion(name: string, from: string): string | null {
	for (const folder of createRequire(from).resolve.paths(name) ?? []) {
		const text = manifestText(join(folder, name, "package.json"));
		if (text === null) continue;
		const { version } = JSON.parse(text) as { readonly version: string }; // Every manifest on npm has one.
		return version;
	}
	return null;
}

function manifestText(path: string): string | null {
	try {
		return readFileSync(path, "utf8");
	} catch (error) {
		if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") {
			return null;
		}
		throw error;
	}
}
