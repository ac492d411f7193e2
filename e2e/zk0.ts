// Runs the built program as a user would: a child process in a directory of its own, with a cache of recordings
// that all end-to-end tests share.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { COMMANDS, runCli, VERSION } from "@zk0/cli";

const MAIN = fileURLToPath(new URL("../packages/cli/dist/main.js", import.meta.url));

/** Recordings are content-addressed and safe under concurrent writers, so they may outlive a test run. */
export const CACHE_DIR: string = join(tmpdir(), "zk0-e2e-cache");

/** What a finished process left. */
export interface Finished {
	/** Exit code, or the signal that ended it. */
	readonly code: number | string;
	readonly stdout: string;
	readonly stderr: string;
}

/** A running process. */
export interface Running {
	readonly child: ChildProcess;
	readonly finished: Promise<Finished>;
	/** What stdout has so far. */
	readonly stdout: () => string;
	/** Resolves when stderr or stdout contain the text; rejects when the process ends before. */
	printed(text: string): Promise<void>;
}

/** Where a program runs. */
export interface Surroundings {
	readonly cwd: string;
	readonly env?: Readonly<Record<string, string>>;
}

/** Starts `zk0` with the words of a command line. */
export function startZk0(words: readonly string[], { cwd, env }: Surroundings): Running {
	return startProgram(process.execPath, [MAIN, ...words], {
		cwd,
		env: { NO_COLOR: "1", ZK0_CACHE_DIR: CACHE_DIR, ...env },
	});
}

/** Starts any program and collects what it prints. */
export function startProgram(program: string, words: readonly string[], { cwd, env }: Surroundings): Running {
	const child = spawn(program, words, {
		cwd,
		env: { ...process.env, ...env },
		stdio: ["ignore", "pipe", "pipe"],
	});
	const text = { stdout: "", stderr: "" };
	const watchers = new Set<() => void>();
	for (const name of ["stdout", "stderr"] as const) {
		child[name].setEncoding("utf8").on("data", (chunk: string) => {
			text[name] += chunk;
			for (const watch of watchers) watch();
		});
	}
	const finished = new Promise<Finished>((resolve, reject) => {
		child.on("error", reject);
		child.on("close", (code, signal) => resolve({ code: code ?? signal ?? "unknown", ...text }));
	});
	return {
		child,
		finished,
		stdout: () => text.stdout,
		printed: (wanted) =>
			new Promise((resolve, reject) => {
				const watch = (): void => {
					if (!text.stdout.includes(wanted) && !text.stderr.includes(wanted)) return;
					watchers.delete(watch);
					resolve();
				};
				watchers.add(watch);
				watch();
				void finished.then(() => reject(new RangeError(`ended without "${wanted}":\n${text.stderr}`)));
			}),
	};
}

/** Runs `zk0` to its end. */
export function zk0(
	words: readonly string[],
	cwd: string,
	env: Record<string, string> = {},
): Promise<Finished> {
	return startZk0(words, { cwd, env }).finished;
}

/** The same command line in this process: for what ends before any work, where a process of its own costs a second. */
export async function zk0Here(words: readonly string[], cwd: string): Promise<Finished> {
	const text = { stdout: "", stderr: "" };
	const stream = (name: "stdout" | "stderr") => ({
		isTTY: false,
		columns: 100,
		rows: 24,
		write: (part: string): void => {
			text[name] += part;
		},
	});
	const host = {
		cwd,
		env: { NO_COLOR: "1", ZK0_CACHE_DIR: CACHE_DIR },
		stdout: stream("stdout"),
		stderr: stream("stderr"),
		now: () => Date.now(),
		randomId: () => "0000",
		signal: new AbortController().signal,
	};
	const code = await runCli([...words], host, { commands: COMMANDS, version: VERSION });
	return { code, ...text };
}

/** The JSON document on the last line of stdout, which must be the only line with one. */
export function jsonOf({ stdout, stderr, code }: Finished): Record<string, unknown> {
	const lines = stdout.trimEnd().split("\n");
	if (lines.length !== 1) throw new RangeError(`exit ${code}, stdout is not one line:\n${stdout}\n${stderr}`);
	const json: unknown = JSON.parse(lines[0] ?? "");
	if (typeof json !== "object" || json === null) throw new RangeError(`not a document: ${stdout}`);
	return { ...json };
}

/** A working directory of its own, and the processes that were started in it. */
export interface Workplace extends AsyncDisposable {
	readonly dir: string;
	/** Starts `zk0` there; it is ended when the workplace is disposed, the last one first. */
	start(words: readonly string[], env?: Readonly<Record<string, string>>): Running;
	/** The document that a command for the server in the folder `server` prints. @throws RangeError when it fails */
	operator(...words: readonly string[]): Promise<Record<string, unknown>>;
}

/** A fresh one, removed when disposed. */
export async function workplace(): Promise<Workplace> {
	const dir = await mkdtemp(join(tmpdir(), "zk0-e2e-"));
	const processes: Running[] = [];
	return {
		dir,
		start(words, env = {}) {
			const started = startZk0(words, { cwd: dir, env });
			processes.push(started);
			return started;
		},
		async operator(...words) {
			const done = await zk0([...words, "--state", "server", "--json"], dir);
			if (done.code !== 0) throw new RangeError(`zk0 ${words.join(" ")}: ${done.code}\n${done.stderr}`);
			return jsonOf(done);
		},
		async [Symbol.asyncDispose]() {
			for (const { child, finished } of processes.toReversed()) {
				child.kill("SIGTERM");
				await finished;
			}
			await rm(dir, { recursive: true, force: true });
		},
	};
}
