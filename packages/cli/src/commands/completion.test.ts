import { execFileSync } from "node:child_process";
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
