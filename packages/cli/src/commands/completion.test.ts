import { execFileSync, spawnSync } from "node:child_process";
import { beforeAll, expect, test } from "vitest";
import { EXIT_CODES } from "../exit-codes.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { COMMANDS } from "./index.ts";

async function script(shell: string): Promise<{ code: number; out: string; err: string }> {
	const host = captureHost();
	const code = await runCli(["completion", shell], host, { commands: COMMANDS, version: "0" });
	return { code, out: host.out(), err: host.err() };
}

let bash = "";
beforeAll(async () => {
	bash = (await script("bash")).out;
});

/** What bash offers after `words`, the last of which is the beginning of a word. */
function offered(...words: string[]): string[] {
	const quoted = ["zk0", ...words].map((word) => `'${word}'`).join(" ");
	const ask = `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _zk0; printf '%s\\n' "\${COMPREPLY[@]}"`;
	return execFileSync("bash", ["-c", `${bash}\n${ask}`], { encoding: "utf8" })
		.trim()
		.split("\n");
}

test("bash completes commands, flags and the values of flags", () => {
	expect(offered("sim")).toEqual(["simulate"]);
	expect(offered("server", "st")).toEqual(expect.arrayContaining(["start", "stop", "status"]));
	expect(offered("server", "user", "")).toContain("add");
	expect(offered("simulate", "--local-st")).toEqual(["--local-steps"]);
	expect(offered("simulate", "--preset", "")).toEqual(["tiny", "small", "full"]);
	expect(offered("simulate", "--rounds", "")).toEqual([""]);
	expect(offered("runs", "show", "latest", "--j")).toEqual(["--json"]);
	expect(offered("help", "exit")).toEqual(["exit-codes"]);
});

test("zsh and fish get the same table; another shell is refused", async () => {
	expect((await script("zsh")).out).toContain('"server start"|"server start "*) case "$prev" in');
	const fish = (await script("fish")).out;
	expect(fish).toContain(`-l local-steps -r -d 'optimizer steps`);
	expect(fish).toContain("-x -a 'tiny small full'");
	const { code, err } = await script("tcsh");
	expect(code).toBe(EXIT_CODES.usage.code);
	expect(err).toContain("one of: bash, zsh, fish");
});

/** Debian's packages, which `.ci/run` installs. */
const isInstalled = (shell: string): boolean =>
	process.env["ZK0_REQUIRE_ALL"] === "1" || spawnSync(shell, ["--version"]).error === undefined;

test.skipIf(!isInstalled("zsh"))("zsh itself offers them (skipped where zsh is not installed)", async () => {
	const { out } = await script("zsh");
	// What zsh's completion system gives: the words, the place of the cursor, and where offers go.
	const ask = (...words: string[]): string[] => {
		const line = ["zk0", ...words].map((word) => `'${word}'`).join(" ");
		const around = `compadd() { shift; print -l -- $@ }\n_files() { print FILES }\nwords=(${line}); CURRENT=${words.length + 1}`;
		return execFileSync("zsh", ["-f", "-c", `${around}\n${out}`], { encoding: "utf8" })
			.trim()
			.split("\n");
	};
	expect(ask("server", "st")).toEqual(expect.arrayContaining(["start", "stop", "status"]));
	expect(ask("simulate", "--preset", "")).toEqual(["tiny", "small", "full"]);
	expect(ask("simulate", "--rounds", "")).toEqual(["FILES"]);
	expect(ask("runs", "show", "latest", "--j")).toContain("--json");
});

test.skipIf(!isInstalled("fish"))(
	"fish itself offers them (skipped where fish is not installed)",
	async () => {
		const { out } = await script("fish");
		const ask = (line: string): string[] =>
			execFileSync("fish", ["--no-config", "-c", `${out}\ncomplete -C '${line}'`], { encoding: "utf8" })
				.trim()
				.split("\n")
				.map((offer) => offer.split("\t")[0] ?? "");
		expect(ask("zk0 server st")).toEqual(["start", "status", "stop"]);
		expect(ask("zk0 simulate --preset ")).toEqual(["tiny", "small", "full"].toSorted());
		expect(ask("zk0 simulate --local-st")).toEqual(["--local-steps"]);
		expect(ask("zk0 runs show latest --j")).toContain("--json");
	},
);
