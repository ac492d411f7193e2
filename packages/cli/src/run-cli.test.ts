import { ArraysError } from "@zk0/arrays";
import { AutodiffError } from "@zk0/autodiff";
import { DatasetError } from "@zk0/dataset";
import { FederationError } from "@zk0/federation";
import { FinetuneError } from "@zk0/finetune";
import { PolicyError } from "@zk0/policy";
import { SimError } from "@zk0/sim";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { CliError } from "./cli-error.ts";
import { type Command, type CommandEntry, defineCommand } from "./command.ts";
import { EXIT_CODES, exitCodeOf } from "./exit-codes.ts";
import { renderError, runCli } from "./run-cli.ts";
import { captureHost } from "./testing/capture-host.ts";

const OPTIONS = {
	maxSpeed: { kind: "number", schema: z.number().positive(), value: "<m/s>", summary: "how fast" },
} as const;

function entry(words: string, summary: string, command: Command): CommandEntry {
	return { path: words.split(" "), summary, load: async () => command };
}

const drive = defineCommand({
	positionals: [
		{ name: "where", summary: "the goal" },
		{ name: "via", summary: "a stop", optional: true },
	],
	options: OPTIONS,
	notes: ["Slowly."],
	examples: ["zk0 drive home"],
	async run({ values, named, output }) {
		output.line("driving");
		output.result({ ...named, speed: values.maxSpeed ?? null }, () => `arrived at ${named["where"]}`);
	},
});
const park = defineCommand({
	options: {},
	async run() {
		throw new CliError("run-not-found", "no space\nleft", {
			cure: "try later",
			cause: new RangeError("full"),
		});
	},
});
const leave = defineCommand({ options: {}, run: () => Promise.reject(new TypeError("oh")) });

const COMMANDS: readonly CommandEntry[] = [
	entry("drive", "Drives.", drive),
	entry("lot park", "Parks.", park),
	entry("lot leave", "Leaves.", leave),
];

async function run(line: string, env: Record<string, string> = {}) {
	const host = captureHost({ env });
	const words = line.split(" ").filter((word) => word !== "");
	const code = await runCli(words, host, { commands: COMMANDS, version: "9.9.9" });
	return { code, out: host.out(), err: host.err() };
}

describe("runCli", () => {
	test("runs a command and prints its result for people", async () => {
		expect(await run("drive home --max-speed 3")).toEqual({
			code: 0,
			out: "driving\narrived at home\n",
			err: "",
		});
	});

	test("--json puts one document on stdout and the rest on stderr", async () => {
		const { out, err } = await run("drive home quay --json");
		expect(out).toBe('{"where":"home","via":"quay","speed":null}\n');
		expect(err).toBe("driving\n");
	});

	test("--quiet says nothing, with --json only the document", async () => {
		expect(await run("drive home --quiet")).toEqual({ code: 0, out: "", err: "" });
		expect((await run("drive home --quiet --json")).err).toBe("");
	});

	test.each(["--version", "version"])("%s prints the version", async (line) => {
		expect((await run(line)).out).toBe("zk0 9.9.9\n");
	});

	test.each(["", "help", "--help", "-h"])("%s lists every command", async (line) => {
		const { out, code } = await run(line);
		expect(code).toBe(0);
		for (const text of ["drive", "Drives.", "lot park", "help exit-codes"]) expect(out).toContain(text);
	});

	test.each(["help drive", "drive --help", "drive home -h"])("%s explains the command", async (line) => {
		const { out } = await run(line);
		for (const text of ["Usage: zk0 drive <where> [via]", "--max-speed <m/s>", "--json", "Slowly."]) {
			expect(out).toContain(text);
		}
	});

	test("help of a first word lists its commands", async () => {
		const { out, code } = await run("help lot");
		expect(code).toBe(0);
		expect(out).toContain("lot leave");
		expect(out).not.toContain("drive");
	});

	test("only the command that is named is loaded", async () => {
		const loaded: string[] = [];
		const commands = COMMANDS.map((row) => ({
			...row,
			load: async () => {
				loaded.push(row.path.join(" "));
				return await row.load();
			},
		}));
		const program = { commands, version: "0" };
		for (const words of [["--version"], ["help"], ["lot"]]) await runCli(words, captureHost(), program);
		expect(loaded).toEqual([]);
		await runCli(["drive", "home"], captureHost(), program);
		expect(loaded).toEqual(["drive"]);
	});

	test("help exit-codes lists every row", async () => {
		const { out } = await run("help exit-codes");
		for (const { code, name } of Object.values(EXIT_CODES)) expect(out).toContain(`${code} ${name}`);
	});

	test.each([
		["drvie home", "unknown-command", "did you mean `zk0 drive`?"],
		["lot prak", "unknown-command", "did you mean `zk0 lot park`?"],
		["lot", "unknown-command", "one of: lot park, lot leave"],
		["zzzz", "unknown-command", "see `zk0 help`"],
		["help drvie", "unknown-command", "did you mean `zk0 drive`?"],
		["drive", "missing-argument", "see `zk0 help drive`"],
		["drive a b c", "bad-flag", 'unexpected argument "c"'],
		["drive a --max-sped 3", "unknown-flag", "did you mean --max-speed?"],
	])("%s is a usage error", async (line, code, text) => {
		const result = await run(line);
		expect(result.code).toBe(EXIT_CODES.usage.code);
		expect(result.err).toContain(`error[${code}]: `);
		expect(result.err).toContain(text);
		expect(result.out).toBe("");
	});

	test("an error is one line and its cure; --verbose and ZK0_DEBUG add the causes", async () => {
		expect(await run("lot park")).toEqual({
			code: EXIT_CODES.run.code,
			out: "",
			err: "error[run-not-found]: no space left\n  try later\n",
		});
		for (const result of [await run("lot park --verbose"), await run("lot park", { ZK0_DEBUG: "1" })]) {
			expect(result.err).toContain("caused by RangeError: full");
		}
	});

	test("what no table knows is a defect", async () => {
		const { code, err } = await run("lot leave");
		expect(code).toBe(EXIT_CODES.internal.code);
		expect(err).toContain("error[internal]: oh");
	});
});

describe("exitCodeOf", () => {
	test.each([
		[new ArraysError("truncated", "x"), "model"],
		[new AutodiffError("worker-died", "x"), "engine"],
		[new DatasetError("bad-parquet", "x"), "dataset"],
		[new DatasetError("write-failed", "x"), "storage"],
		[new PolicyError("not-bound", "x"), "model"],
		[new SimError("unknown-task", "x"), "usage"],
		[new SimError("expert-failed", "x"), "simulator"],
		[new FinetuneError("non-finite", "x"), "engine"],
		[new FederationError("too-few-sites", "x"), "federation"],
		[new FederationError("log-tampered", "x"), "run"],
		[new FederationError("cancelled", "x"), "interrupted"],
		[new DOMException("x", "AbortError"), "interrupted"],
		["a thrown text", "internal"],
	] as const)("%s ends with %s", (error, name) => {
		expect(exitCodeOf(error)).toBe(EXIT_CODES[name]);
	});

	test("a code that the message repeats is said once", () => {
		expect(renderError(new SimError("bad-uri", "no such thing"), false)).toMatch(
			/^error\[bad-uri\]: no such thing\n/,
		);
		expect(renderError(new PolicyError("not-bound", "bind it"), false)).toMatch(
			/^error\[not-bound\]: bind it\n/,
		);
	});
});

describe("EXIT_CODES", () => {
	test("codes are unique and in order", () => {
		const codes = Object.values(EXIT_CODES).map(({ code }) => code);
		expect(codes).toEqual([...new Set(codes)].sort((a, b) => a - b));
	});

	test.each(["ENOSPC", "EACCES"])("%s of the file system is a storage error", async (errno) => {
		const failing = defineCommand({
			options: {},
			run: () => Promise.reject(Object.assign(new Error("write failed"), { code: errno })),
		});
		const host = captureHost();
		const commands = [entry("write", "Writes.", failing)];
		expect(await runCli(["write"], host, { commands, version: "0" })).toBe(EXIT_CODES.storage.code);
		expect(host.err()).toContain(`error[${errno}]`);
	});
});
