// Child processes of this package: where their built entry files are, and how they are started and watched.
// A native crash of the video library ends a child, never the program.
import { type ChildProcess, fork, type Serializable } from "node:child_process";
import { fileURLToPath } from "node:url";
import { installedVersion } from "@zk0/arrays/node";
import { DatasetError } from "../errors.ts";
import { CLOSE_MESSAGE } from "./child-main.ts";

const MAX_STDERR_CHARS = 4000;
/** An idle child ends within milliseconds when asked to. */
const CLOSE_TIMEOUT_MS = 2000;

/** Names of the entry files of `video/`. */
export type ChildEntry = "encode-child" | "decode-child";

/** A running child; `exit` never rejects. */
export interface VideoChild {
	readonly process: ChildProcess;
	/** Resolves with a description ("signal SIGSEGV", "exit code 1"), with what it last wrote to stderr. */
	readonly exit: Promise<string>;
	/** Ends it at once; resolves when it is gone. */
	kill(): Promise<void>;
	/** Lets it end by itself, then ends it; resolves when it is gone. */
	close(): Promise<void>;
}

/** Path of the built entry; the sources run the built child, too, since processes need plain JavaScript. */
function entryPath(entry: ChildEntry): string {
	const path = import.meta.url.endsWith(".ts") ? `../../dist/video/${entry}.js` : `./${entry}.js`;
	return fileURLToPath(new URL(path, import.meta.url));
}

/**
 * Starts a child with structured-clone IPC; `onMessage` gets every message. With `shareFd`, file descriptor 3 of
 * the child is a pipe that `process.stdio[3]` reads, and 4 is `shareFd`.
 * @throws DatasetError "not-installed" where the optional package node-av is missing
 */
export function startVideoChild(
	entry: ChildEntry,
	onMessage: (message: unknown) => void,
	{ shareFd }: { shareFd?: number } = {},
): VideoChild {
	if (installedVersion("node-av", import.meta.url) === null) {
		throw new DatasetError(
			"not-installed",
			"node-av, which reads and writes videos, is not installed: run npm install again without --omit=optional",
		);
	}
	const child = fork(entryPath(entry), {
		execArgv: [],
		serialization: "advanced",
		stdio: ["ignore", "ignore", "pipe", ...(shareFd === undefined ? [] : ["pipe" as const, shareFd]), "ipc"],
		env: { ...process.env, SVT_LOG: "1" },
	});
	let stderr = "";
	child.stderr?.setEncoding("utf8").on("data", (text: string) => {
		stderr = (stderr + text).slice(-MAX_STDERR_CHARS);
	});
	child.on("message", onMessage);
	const exit = new Promise<string>((resolve) => {
		child.once("error", (cause) => resolve(`could not start: ${cause.message}`));
		let timer: NodeJS.Timeout | undefined;
		const report = (code: number | null, signal: NodeJS.Signals | null): void => {
			clearTimeout(timer);
			const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
			resolve(stderr.trim() === "" ? how : `${how}; it wrote: ${stderr.trim()}`);
		};
		// "close" comes when all its output is read; should it never come, "exit" is enough after a while.
		child.once("close", report);
		child.once("exit", (code, signal) => {
			timer = setTimeout(() => report(code, signal), CLOSE_TIMEOUT_MS);
		});
	});
	return {
		process: child,
		exit,
		async kill() {
			child.kill("SIGKILL");
			await exit;
		},
		async close() {
			if (child.connected) child.send(CLOSE_MESSAGE, () => undefined);
			const timer = setTimeout(() => child.kill("SIGKILL"), CLOSE_TIMEOUT_MS);
			await exit;
			clearTimeout(timer);
		},
	};
}

/** Sends a message to a child whose end is watched elsewhere: a closed channel is no error here. */
export function sendToChild(child: VideoChild, message: Serializable): void {
	if (child.process.connected) child.process.send(message, () => undefined);
}
