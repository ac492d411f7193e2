// A child process that prints one JSON object per line, as something to wait for.
import { type ChildProcess, spawn } from "node:child_process";
import type { z } from "zod";

/** What a wait found, and when (milliseconds of `performance.now`). */
export interface Seen<L> {
	readonly line: L;
	readonly atMs: number;
}

/** A running child. Disposing it kills it. */
export interface ChildLines<L> extends AsyncDisposable {
	readonly child: ChildProcess;
	/** Everything printed so far. */
	readonly lines: readonly L[];
	/** The first line after `since` lines that fits. @throws RangeError when the child ends before or time is up */
	waitFor(
		what: string,
		fits: (line: L) => boolean,
		options?: { readonly timeoutMs?: number; readonly since?: number },
	): Promise<Seen<L>>;
	/** Exit code, or the signal that ended it. */
	readonly ended: Promise<number | string>;
	/** What it wrote to stderr. */
	readonly complaints: string;
	kill(signal: NodeJS.Signals): Promise<void>;
}

/** Starts `command` and reads its lines. */
export function startChild<L>(command: readonly string[], schema: z.ZodType<L>): ChildLines<L> {
	const [program = "", ...args] = command;
	const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
	const lines: L[] = [];
	const watchers = new Set<() => void>();
	const wake = (): void => {
		for (const watch of watchers) watch();
	};
	let rest = "";
	let complaints = "";
	let endedAs: number | string | null = null;
	child.stdout.setEncoding("utf8").on("data", (text: string) => {
		const parts = (rest + text).split("\n");
		rest = parts.pop() ?? "";
		for (const part of parts) lines.push(schema.parse(JSON.parse(part)));
		wake();
	});
	child.stderr.setEncoding("utf8").on("data", (text: string) => {
		complaints = (complaints + text).slice(-8000);
	});
	const ended = new Promise<number | string>((resolve) => {
		child.once("close", (code, signal) => {
			endedAs = code ?? signal ?? "unknown";
			resolve(endedAs);
			wake();
		});
	});
	const kill = async (signal: NodeJS.Signals): Promise<void> => {
		child.kill(signal);
		await ended;
	};
	return {
		child,
		lines,
		ended,
		get complaints() {
			return complaints;
		},
		kill,
		waitFor: (what, fits, { timeoutMs = 60_000, since = 0 } = {}) =>
			new Promise((resolve, reject) => {
				let next = since;
				const stop = (): void => {
					clearTimeout(timer);
					watchers.delete(watch);
				};
				const fail = (why: string): void => {
					stop();
					const last = JSON.stringify(lines.at(-1));
					reject(new RangeError(`waiting for ${what}: ${why}; last line ${last}\n${complaints}`));
				};
				const timer = setTimeout(() => fail(`nothing for ${timeoutMs} ms`), timeoutMs);
				const watch = (): void => {
					for (; next < lines.length; next++) {
						const line = lines[next];
						if (line === undefined || !fits(line)) continue;
						stop();
						resolve({ line, atMs: performance.now() });
						return;
					}
					if (endedAs !== null) fail(`the process ended with ${endedAs}`);
				};
				watchers.add(watch);
				watch();
			}),
		[Symbol.asyncDispose]: async () => {
			if (endedAs === null) await kill("SIGKILL");
		},
	};
}
