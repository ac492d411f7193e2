// The product's source files: packages/*/src without tests and generated code.
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** One source file and the package that it belongs to. */
export interface SourceFile {
	readonly path: string;
	readonly packageName: string;
}

const NOT_SOURCE = /\.(test|contract|wasm|d)\.ts$|\/(gen|testing)\//;

/** All source files, sorted by path. */
export function sourceFiles(): SourceFile[] {
	return readdirSync("packages").flatMap((packageName) =>
		readdirSync(join("packages", packageName, "src"), { recursive: true, encoding: "utf8" })
			.map((name) => join("packages", packageName, "src", name))
			.filter((path) => /\.tsx?$/.test(path) && !NOT_SOURCE.test(path))
			.sort()
			.map((path) => ({ path, packageName })),
	);
}
