// The Host of a real process: its streams, clock and signals.
import { randomBytes } from "node:crypto";
import { CliError } from "./cli-error.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import type { Host, TextStream } from "./host.ts";

const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

/** A terminal's size; some (`script`, `docker run -t` before its first resize) say that they have no columns. */
function sizeOr(fallback: number, size: number | undefined): number {
	return size === undefined || size === 0 ? fallback : size;
}

function textStream(stream: NodeJS.WriteStream): TextStream {
	return {
		get isTTY() {
			return stream.isTTY;
		},
		get columns() {
			return sizeOr(DEFAULT_COLUMNS, stream.columns);
		},
		get rows() {
			return sizeOr(DEFAULT_ROWS, stream.rows);
		},
		write: (text) => void stream.write(text),
	};
}

/**
 * This process as a Host. The first Ctrl-C or SIGTERM aborts its signal, the second ends the process at once.
 * A reader that closes our stdout early (`zk0 runs list | head -1`) ends the process quietly.
 * One that closes our stderr misses what is said there.
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
	// With nobody to read messages the work goes on all the same.
	process.stderr.on("error", (error: NodeJS.ErrnoException) => {
		if (error.code !== "EPIPE") throw error;
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
