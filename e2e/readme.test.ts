// The commands that the README shows exist, with the flags and the files it names.
import { readFileSync } from "node:fs";
import { COMMANDS, runCli, VERSION } from "@zk0/cli";
import { describe, expect, test } from "vitest";

const README = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const SHOWN = [...README.matchAll(/`zk0 ([^`]+)`/g)].map(([, words = ""]) => words.split(/[,\s]+/));

async function help(words: readonly string[]): Promise<string> {
	const written: string[] = [];
	const stream = { isTTY: false, columns: 80, rows: 24, write: (text: string) => void written.push(text) };
	const host = {
		cwd: ".",
		env: {},
		stdout: stream,
		stderr: stream,
		now: () => 0,
		randomId: () => "0000",
		signal: new AbortController().signal,
	};
	await runCli(["help", ...words], host, { commands: COMMANDS, version: VERSION });
	return written.join("");
}

describe("README.md", () => {
	test("shows commands", () => {
		expect(SHOWN.length).toBeGreaterThan(5);
	});

	test.each(SHOWN.filter(([first]) => first !== "help").map((words) => [words.join(" "), words] as const))(
		"`zk0 %s` exists",
		async (_, words) => {
			const text = await help(words.filter((word) => /^[a-z]+$/.test(word)).slice(0, 2));
			expect(text).toContain("Usage: zk0");
			for (const flag of words.filter((word) => word.startsWith("--"))) expect(text).toContain(flag);
		},
	);
});
