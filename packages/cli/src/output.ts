// Where a command's words go. Results are for stdout; with --json stdout carries exactly one JSON document and
// everything meant for people moves to stderr; with --quiet it is not written at all.
import type { Host, TextStream } from "./host.ts";

/** The outlets of one command. */
export interface Output {
	readonly json: boolean;
	readonly quiet: boolean;
	/** The stream for people, for live progress; undefined when nothing should be shown. */
	readonly people: TextStream | undefined;
	/** A line for people. */
	line(text?: string): void;
	/** The command's result: printed as one JSON line with --json, otherwise through `asText`. */
	result(document: unknown, asText: () => string): void;
}

/** The outlets for the given switches. */
export function createOutput(
	host: Host,
	options: { readonly json: boolean; readonly quiet: boolean },
): Output {
	const people = options.quiet ? undefined : options.json ? host.stderr : host.stdout;
	return {
		...options,
		people,
		line(text = "") {
			people?.write(`${text}\n`);
		},
		result(document, asText) {
			if (options.json) host.stdout.write(`${JSON.stringify(document)}\n`);
			else people?.write(`${asText()}\n`);
		},
	};
}
