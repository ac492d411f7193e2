// The Host of a real process: its streams, clock and signals.
import { randomBytes } from "node:crypto";
import { CliError } from "./cli-error.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import type { Host, TextStream } from "./host.ts";

const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

function textStream(stream: NodeJS.WriteStream): TextStream {
	return {
		get isTTY() {
			return stream.isTTY;
		},
		get columns() {
			return stream.columns ?? DEFAULT_COLUMNS;
		},
		get rows() {
			return stream.rows ?? DEFAULT_ROWS;
		},
		write: (text) => void stream.write(text),
	};
}

/**
 * This process as a Host. The first Ctrl-C or SIGTERM aborts its signal, the second ends the process at once.
 * A reader that closes our stdout early (`zk0 runs list | head -1`) ends the process quietly.
 */
export function processHost(): Host {
	const controller = new AbortController();
	const stop = (): void => {
		if (controller.signal.aborted) {
			// Live lines hide the cursor; nobody is left to show it again.
			for (const stream of [process.stdout, process.stderr]) if (stream.isTTY) stream.write("\u001B[?25h\n");
			process.exit(EXIT_CODES.interrupted.code);
		}
		controller.abort(new CliError("interrupted", "stopped by Ctrl-C"));
	};
	process.on("SIGINT", stop);
	process.on("SIGTERM", stop);
	process.stdout.on("error", (error: NodeJS.ErrnoException) => {
		if (error.code === "EPIPE") process.exit(EXIT_CODES.ok.code);
		throw error;
	});
	return {
		cwd: process.cwd(),
		env: process.env,
		stdout: textStream(process.stdout),
		stderr: textStream(process.stderr),
		now: () => Date.now(),
		randomId: () => randomBytes(2).toString("hex"),
		signal: controller.signal,
	};
}
