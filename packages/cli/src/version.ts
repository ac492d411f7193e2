// The version of zk0: the one of this package, which all packages share.
import { readFileSync } from "node:fs";

// This package's own manifest; every package.json on npm has a version.
const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
	readonly version: string;
};

/** The version, e.g. `0.1.0`. */
export const VERSION: string = manifest.version;
