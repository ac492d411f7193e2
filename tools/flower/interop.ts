// Repeats the interoperability runs of docs/flower.md with real Flower processes:
//   node --import tsx tools/flower/interop.ts --commands <venv>/bin
//   node --import tsx tools/flower/interop.ts --checkout <flower>/framework/py --packages <folder with its dependencies> [--python python3]
// With a checkout it writes launchers for Flower's commands, as installing the package would. What follows `--` goes to
// vitest, for example the name of one file of e2e/interop.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { parseArgs } from "node:util";

/** Flower's commands and the functions behind them, as its pyproject.toml (1.28.0) declares them. */
const COMMANDS: Readonly<Record<string, readonly [module: string, name: string]>> = {
	flwr: ["flwr.cli.app", "app"],
	"flower-superlink": ["flwr.server.app", "run_superlink"],
	"flower-supernode": ["flwr.supernode.cli", "flower_supernode"],
	"flower-superexec": ["flwr.supercore.cli", "flower_superexec"],
	"flwr-serverapp": ["flwr.server.serverapp", "flwr_serverapp"],
	"flwr-clientapp": ["flwr.supernode.cli", "flwr_clientapp"],
};

const { values, positionals } = parseArgs({
	allowPositionals: true,
	options: {
		commands: { type: "string" },
		checkout: { type: "string" },
		packages: { type: "string", multiple: true, default: [] },
		python: { type: "string", default: "python3" },
	},
});

/** Writes a launcher per command, which finds Flower in `path` and so do the processes that it starts. */
function writeLaunchers(folder: string, path: readonly string[], python: string): void {
	mkdirSync(folder, { recursive: true });
	for (const [command, [module, name]] of Object.entries(COMMANDS)) {
		const lines = [
			`#!/usr/bin/env -S ${python}`,
			"import os, sys",
			`path = ${JSON.stringify(path)}`,
			"sys.path[:0] = path",
			`os.environ["PYTHONPATH"] = ${JSON.stringify(delimiter)}.join(path)`,
			`from ${module} import ${name}`,
			`sys.exit(${name}())`,
		];
		writeFileSync(join(folder, command), `${lines.join("\n")}\n`, { mode: 0o755 });
	}
}

const { commands, checkout } = values;
if ((commands === undefined) === (checkout === undefined))
	throw new RangeError(
		"interop: give --commands <bin folder>, or --checkout <flower>/framework/py with --packages",
	);
const scratch = mkdtempSync(join(tmpdir(), "zk0-flower-"));
try {
	const folder = commands === undefined ? join(scratch, "bin") : resolve(commands);
	if (checkout !== undefined)
		writeLaunchers(
			folder,
			[checkout, ...values.packages].map((part) => resolve(part)),
			values.python,
		);
	const version = spawnSync(join(folder, "flower-superlink"), ["--version"], { encoding: "utf8" });
	if (version.status !== 0) throw new RangeError(`Flower does not start from ${folder}:\n${version.stderr}`);
	console.log(version.stdout.trim());
	const words = positionals.length === 0 ? ["e2e/interop"] : positionals;
	// One file after the other: each starts up to ten processes.
	const vitest = ["node_modules/vitest/vitest.mjs", "run", "--maxWorkers=1", ...words];
	const { status } = spawnSync(process.execPath, vitest, {
		stdio: "inherit",
		env: { ...process.env, ZK0_FLWR: folder },
	});
	process.exitCode = status ?? 1;
} finally {
	rmSync(scratch, { recursive: true, force: true });
}
