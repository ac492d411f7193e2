// Packs every package as npm would publish it and installs the tarballs into an empty folder: the whole of zk0 simulates a
// federation there, and without the optional parts the server starts and everything else names what is missing. Also runs
// publint and attw on each tarball (not on ./testing, which is for this repository only). Part of .ci/run; needs the npm
// registry. `--keep` keeps the folder, `--fast` installs without the optional parts only.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

/** The shape checkers, run with npx so that nobody else has to install them. */
const PUBLINT = "publint@0.3.25";
const ATTW = "@arethetypeswrong/cli@0.18.5";
/** Exit code 15 of zk0: an optional part is missing. */
const NOT_INSTALLED = 15;

const { values: options } = parseArgs({
	options: { keep: { type: "boolean", default: false }, fast: { type: "boolean", default: false } },
});
const root = mkdtempSync(join(tmpdir(), "zk0-pack-"));
const installed = join(root, "installed");
let numFailed = 0;

/** Runs a step, says how long it took, and counts it when it fails. */
function step(name: string, work: () => string | undefined): void {
	const startedMs = performance.now();
	let problem: string | undefined;
	try {
		problem = work();
	} catch (error) {
		problem = error instanceof Error ? error.message : String(error);
	}
	const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
	console.log(`${problem === undefined ? "ok  " : "FAIL"} ${name} (${seconds} s)`);
	if (problem === undefined) return;
	numFailed += 1;
	console.log(problem);
}

/** A program's exit code and output; `env` adds to the environment. */
function call(
	words: readonly [string, ...string[]],
	{ cwd, env = {} }: { readonly cwd: string; readonly env?: Record<string, string> },
): { readonly code: number | null; readonly text: string } {
	const [program, ...rest] = words;
	const { status, stdout, stderr } = spawnSync(program, rest, {
		cwd,
		encoding: "utf8",
		env: { ...process.env, ...env },
		maxBuffer: 1 << 26,
	});
	return { code: status, text: `${stdout}${stderr}` };
}

/** Installs the tarballs into the empty folder. */
function install(flags: readonly string[]): string | undefined {
	mkdirSync(installed);
	writeFileSync(join(installed, "package.json"), '{"name":"empty","private":true}\n');
	return npm(["install", "--prefer-offline", ...flags, ...tarballs()]);
}

function npm(words: readonly string[]): string | undefined {
	const { code, text } = call(["npm", ...words, "--no-audit", "--no-fund"], {
		cwd: installed,
		env: { ONNXRUNTIME_NODE_INSTALL: "skip" },
	});
	if (code !== 0) return text;
	console.log(`     ${folderMegabytes(join(installed, "node_modules"))} MB installed`);
	return undefined;
}

function tarballs(): string[] {
	return readdirSync(root)
		.filter((name) => name.endsWith(".tgz"))
		.map((name) => join(root, name));
}

/** Runs a checker of npm's on every tarball, two at a time; one npx for all of them. */
function onEach(tool: string, command: string): string | undefined {
	const all = `ls *.tgz | xargs -P 2 -I {} ${command}`;
	const { code, text } = call(["npx", "--yes", `--package=${tool}`, "-c", all], { cwd: root });
	return code === 0 ? undefined : text;
}

/** Size of a folder, in MB. */
function folderMegabytes(dir: string): string {
	return (Number(execFileSync("du", ["-sk", dir], { encoding: "utf8" }).split("\t")[0]) / 1000).toFixed(0);
}

step("pack", () => {
	const { code, text } = call(["npm", "pack", "--workspaces", "--silent", "--pack-destination", root], {
		cwd: resolve("."),
	});
	if (code !== 0) return text;
	for (const path of tarballs())
		console.log(
			`     ${(statSync(path).size / 1e6).toFixed(2).padStart(6)} MB  ${path.slice(root.length + 1)}`,
		);
	return undefined;
});

step("publint", () => onEach(PUBLINT, "publint run {} --strict"));

step("attw", () => onEach(ATTW, "attw {} --profile esm-only --exclude-entrypoints ./testing"));

if (!options.fast) {
	step("install everything", () => install([]));
	step("npx zk0 simulate in an empty folder", () => {
		const tiny = "--preset tiny --rounds 1 --local-steps 1 --episodes 3 --eval-frames 2 --sampled-frames 1";
		const { code, text } = call(["npx", "zk0", "simulate", ...tiny.split(" "), "--json"], {
			cwd: installed,
			env: { ZK0_CACHE_DIR: join(installed, "cache") },
		});
		if (code !== 0) return text;
		const [run = ""] = readdirSync(join(installed, "runs"));
		const report = readFileSync(join(installed, "runs", run, "report.html"), "utf8");
		return report.includes("</html>") ? undefined : "the report is not whole";
	});
}
// The same tree as without them from the beginning, without another install.
step("leave the optional parts out", () =>
	options.fast ? install(["--omit=optional"]) : npm(["prune", "--omit=optional"]),
);
step("a server without the optional parts", () => {
	// A cache with nothing in it: recordings that are there need no part that is missing.
	const zk0 = (words: readonly string[]) =>
		call([join(installed, "node_modules", ".bin", "zk0"), ...words], {
			cwd: installed,
			env: { ZK0_CACHE_DIR: join(installed, "empty-cache") },
		});
	const state = ["--state", join(installed, "state")];
	const here = "--listen 127.0.0.1 --address 127.0.0.1 --port 0".split(" ");
	const start = zk0(["server", "start", ...here, ...state]);
	const status = zk0(["server", "status", ...state]);
	const stop = zk0(["server", "stop", ...state]);
	for (const { code, text } of [start, status, stop]) if (code !== 0) return text;
	for (const line of ["data synth d --task reach-red --episodes 2", "simulate --preset tiny"]) {
		const { code, text } = zk0(line.split(" "));
		if (code !== NOT_INSTALLED || !text.includes("not installed"))
			return `zk0 ${line}: exit ${code}\n${text}`;
	}
	return undefined;
});

if (options.keep) console.log(`kept ${root}`);
else rmSync(root, { recursive: true });
process.exitCode = numFailed === 0 ? 0 : 1;
