// A Host that keeps what is written, for tests of whole commands in this process.
import type { Host } from "../host.ts";

/** A host and what was written to it. */
export interface CaptureHost extends Host {
	readonly out: () => string;
	readonly err: () => string;
	/** What Ctrl-C does. */
	readonly interrupt: (reason: unknown) => void;
}

/** A host in `cwd` whose clock advances by a second at each reading. */
export function captureHost(
	options: { cwd?: string; env?: Record<string, string>; isTTY?: boolean } = {},
): CaptureHost {
	const written = { out: "", err: "" };
	const controller = new AbortController();
	let nowMs = 1_800_000_000_000;
	const stream = (name: "out" | "err") => ({
		isTTY: options.isTTY ?? false,
		columns: 100,
		rows: 30,
		write: (text: string) => {
			written[name] += text;
		},
	});
	return {
		cwd: options.cwd ?? ".",
		env: options.env ?? {},
		stdout: stream("out"),
		stderr: stream("err"),
		now: () => {
			nowMs += 1000;
			return nowMs;
		},
		randomId: () => "beef",
		signal: controller.signal,
		out: () => written.out,
		err: () => written.err,
		interrupt: (reason) => controller.abort(reason),
	};
}
