// Work of a page that takes its time: its state, what it says of itself, why it failed; it ends with what it was for.
import type { JobView } from "@zk0/dashboard/views";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";
import type { Host } from "../host.ts";
import type { ClientContext } from "../network/site-identity.ts";
import { createOutput } from "../output.ts";

/** Work under way, or over. */
export interface Job<Result> {
	readonly view: () => JobView;
	/** Undefined until it is done. */
	readonly result: () => Result | undefined;
	/** Settles when it is over, whichever way. */
	readonly over: Promise<void>;
	cancel(): void;
}

/** The surroundings of a command, for work on a page: what would be printed is what the job says of itself. */
export type JobContext = ClientContext;

/** Begins work. */
export function startJob<Result>(
	host: Host,
	work: (context: JobContext) => Promise<Result>,
	onFault: (error: unknown) => void,
): Job<Result> {
	const stop = new AbortController();
	const startedAt = new Date(host.now()).toISOString();
	let view: JobView = { state: "running", line: null, failure: null, startedAt };
	let result: Result | undefined;
	const own: Host = {
		...host,
		signal: AbortSignal.any([host.signal, stop.signal]),
		stdout: {
			isTTY: false,
			columns: 80,
			rows: 24,
			write: (text) => {
				const line = text.trimEnd().split("\n").at(-1)?.trim() ?? "";
				if (line !== "") view = { ...view, line };
			},
		},
	};
	const begin = async (): Promise<void> => {
		try {
			result = await work({ host: own, output: createOutput(own, { json: false, quiet: false }) });
			view = { ...view, state: "done" };
		} catch (error) {
			view = { ...view, state: "failed", failure: failureOf(error) };
			// What has a code is a mistake or a mishap that the page shows; anything else is ours.
			if (!stop.signal.aborted && codeOf(error) === undefined) onFault(error);
		}
	};
	return { view: () => view, result: () => result, over: begin(), cancel: () => stop.abort() };
}

function failureOf(error: unknown): JobView["failure"] {
	const message = error instanceof Error ? error.message : String(error);
	return { message, cure: error instanceof CliError ? (error.cure ?? null) : null };
}
