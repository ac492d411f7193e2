// `npm run bench -- <name> [part…] [--json] [options]`: runs one benchmark; with --json the last line of stdout is one
// JSON document, otherwise a table. Ratios are taken within one run; the machine's noise is stated beside them.
import { parseArgs } from "node:util";
import { benchmarks } from "./benchmarks.ts";

const { positionals, values } = parseArgs({
	allowPositionals: true,
	options: {
		json: { type: "boolean", default: false },
		preset: { type: "string" },
		checkpoint: { type: "string" },
	},
});
const [name = "", ...parts] = positionals;
const benchmark = benchmarks[name];
if (benchmark === undefined) {
	console.error(
		`usage: npm run bench -- <${Object.keys(benchmarks).join("|")}> [part…] [--json] [--preset <name>] [--checkpoint <dir>]`,
	);
	process.exit(2);
}
const { preset, checkpoint } = values;
const result = await benchmark({
	parts,
	...(preset === undefined ? {} : { preset }),
	...(checkpoint === undefined ? {} : { checkpoint }),
});
if (values.json) console.log(JSON.stringify(result));
else console.table(result);
