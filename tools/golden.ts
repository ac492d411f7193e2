// `npm run golden -- [--device cpu|webgpu|cuda] [--cache connector|kv] <dir>…`: checks our SmolVLA against directories of
// reference values laid out like golden/smolvla-a (golden/README.md), with --cache from what a prefix cache gives back.
// One line per check with its error and limit; exit code 1 on a miss, 2 when a directory cannot be read.
import { parseArgs } from "node:util";
import { createOrtRuntime } from "@zk0/autodiff/node";
import { z } from "zod";
import { checkDirectory } from "./golden/check-directory.ts";
import { checkLine, passes } from "./golden/errors.ts";

const { positionals: directories, values } = parseArgs({
	options: { device: { type: "string", default: "cpu" }, cache: { type: "string" } },
	allowPositionals: true,
});
if (directories.length === 0) {
	console.error(
		"usage: npm run golden -- [--device cpu|webgpu|cuda] [--cache connector|kv] <dir>…   (for example golden/smolvla-a)",
	);
	process.exitCode = 2;
}
const device = z.enum(["cpu", "webgpu", "cuda"]).parse(values.device);
const level = z.enum(["connector", "kv"]).optional().parse(values.cache) ?? null;
await using runtime = await createOrtRuntime({ device });
let numMissed = 0;
for (const directory of directories) {
	console.log(directory);
	let numChecks = 0;
	try {
		for await (const check of checkDirectory(directory, runtime, level)) {
			console.log(`  ${checkLine(check)}`);
			numChecks++;
			if (!passes(check)) numMissed++;
		}
		console.log(`  ${numChecks} checks`);
	} catch (error) {
		console.error(`  cannot be checked: ${error instanceof Error ? error.message : String(error)}`);
		process.exitCode = 2;
	}
}
if (numMissed > 0) {
	console.error(`${numMissed} checks missed their limit`);
	process.exitCode = 1;
}
