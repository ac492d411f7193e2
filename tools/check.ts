// `npm run check`: every gate but the tests, one line each; the output of those that fail is shown.
import { spawnSync } from "node:child_process";

const NODE_TS = ["node", "--import", "tsx"] as const;
const GATES: readonly (readonly [string, readonly string[]])[] = [
	["format", ["biome", "ci", "."]],
	["lint", ["oxlint", "--type-aware", "--deny-warnings"]],
	["types", ["tsc", "-p", "tsconfig.json"]],
	["types of the browser app", ["tsc", "-p", "packages/dashboard/src/app"]],
	["layers", [...NODE_TS, "tools/check-layers.ts"]],
	["imports", [...NODE_TS, "tools/check-imports.ts"]],
	["dead code", ["knip", "--no-progress"]],
	["docs", [...NODE_TS, "tools/check-docs.ts"]],
	["generated docs", [...NODE_TS, "--conditions=source", "tools/generate-docs.ts", "--check"]],
	["doctor's table", [...NODE_TS, "--conditions=source", "tools/doctor-table.ts", "--check"]],
	["sizes", [...NODE_TS, "tools/size.ts"]],
	["wasm", [...NODE_TS, "tools/build-wasm.ts", "--check"]],
];

let numFailed = 0;
for (const [name, [command = "", ...args]] of GATES) {
	const startedMs = performance.now();
	const executable = command === "node" ? process.execPath : `node_modules/.bin/${command}`;
	const { status, stdout, stderr } = spawnSync(executable, args, { encoding: "utf8", maxBuffer: 1 << 26 });
	const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
	console.log(`${status === 0 ? "ok  " : "FAIL"} ${name} (${seconds} s)`);
	if (status === 0) continue;
	numFailed += 1;
	console.log(stdout, stderr);
}
console.log(numFailed === 0 ? "all gates passed" : `${numFailed} gate(s) failed`);
process.exitCode = numFailed === 0 ? 0 : 1;
