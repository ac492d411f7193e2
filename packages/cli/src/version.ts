// The version of zk0: the one of this package, which all packages share.
import { readFileSync } from "node:fs";
import { z } from "zod";

const manifest = z.object({ version: z.string() });

/** The version, e.g. `0.1.0`. */
export const VERSION: string = manifest.parse(
	JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")),
).version;
