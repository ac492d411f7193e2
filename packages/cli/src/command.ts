// What a command is: a row of the table in commands/index.ts, which is all that help and dispatch need, and a file that
// is loaded when the command is used: its options as a table, and the function that does the work.
import { type OptionTable, type OptionValues } from "./arguments/option.ts";
import { OUTPUT_OPTIONS } from "./arguments/output-options.ts";
import { parseArguments, readVariables } from "./arguments/parse.ts";
import { CliError } from "./cli-error.ts";
import type { ExitName } from "./exit-codes.ts";
import type { Host } from "./host.ts";
import { createOutput, type Output } from "./output.ts";

/** A positional argument of a command. */
export interface Positional {
	readonly name: string;
	readonly summary: string;
	readonly optional?: true;
	/** Takes two words or more; the positionals after it take the last ones. */
	readonly several?: true;
	/** Words that one which takes several needs. @default 2 */
	readonly atLeast?: number;
}

/** What a command's function is given. */
export interface Invocation<O extends OptionTable> {
	/** What was given: flags win over variables. */
	readonly values: OptionValues<O>;
	/** What the environment gave, whether or not a flag wins over it. */
	readonly variables: OptionValues<O>;
	/** What the command line gave. */
	readonly flags: OptionValues<O>;
	/** The positional arguments by the names of the command's table. */
	readonly named: Readonly<Record<string, string>>;
	/** The words of the positional that takes several. */
	readonly several: readonly string[];
	readonly host: Host;
	readonly output: Output;
}

/** A command's row in the table of all commands. */
export interface CommandEntry {
	/** The words that name it: `["model", "bind"]`. */
	readonly path: readonly string[];
	/** What it does, in one sentence. */
	readonly summary: string;
	/** Imports the command's file. */
	load(): Promise<Command>;
}

/** What a command's file gives. */
export interface Command {
	readonly positionals: readonly Positional[];
	readonly options: OptionTable;
	/** Paragraphs under the options in the help. */
	readonly notes: readonly string[];
	readonly examples: readonly string[];
	/**
	 * Parses the words after the command's name and does the work; resolves to how the program exits when that is not "ok".
	 * `path` is the name for messages.
	 */
	execute(words: readonly string[], host: Host, path: readonly string[]): Promise<ExitName | void>;
	/** Parses the words as `execute` does, and does nothing. @throws CliError as `execute` would for these words */
	check(words: readonly string[], path: readonly string[]): void;
}

/** A command as its own file writes it. */
export interface CommandSpec<O extends OptionTable> {
	readonly positionals?: readonly Positional[];
	readonly options: O;
	readonly notes?: readonly string[];
	readonly examples?: readonly string[];
	/** Resolves to the name of an exit code when the command did its work and still has bad news. */
	run(invocation: Invocation<O>): Promise<ExitName | void>;
}

/** Closes over a command's option types, so that commands of different options fit in one list. */
export function defineCommand<O extends OptionTable>(spec: CommandSpec<O>): Command {
	const positionals = spec.positionals ?? [];
	const options = { ...spec.options, ...OUTPUT_OPTIONS };
	return {
		positionals,
		options,
		notes: spec.notes ?? [],
		examples: spec.examples ?? [],
		async execute(words, host, path) {
			const parsed = parseArguments<OptionTable>(words, options);
			// Each table's values were checked by its own rows.
			const flags = parsed.values as OptionValues<O>;
			const variables = readVariables(host.env, spec.options);
			const { named, several } = namePositionals(parsed.positionals, positionals, path);
			// `options` holds the rows of both tables, and each value was checked by its own row.
			const values = { ...variables, ...parsed.values } as OptionValues<O> &
				OptionValues<typeof OUTPUT_OPTIONS>;
			const output = createOutput(host, { json: values.json === true, quiet: values.quiet === true });
			return await spec.run({ values, variables, flags, named, several, host, output });
		},
		check(words, path) {
			namePositionals(parseArguments<OptionTable>(words, options).positionals, positionals, path);
		},
	};
}

function namePositionals(
	given: readonly string[],
	positionals: readonly Positional[],
	path: readonly string[],
): { named: Record<string, string>; several: readonly string[] } {
	const cure = `see \`zk0 help ${path.join(" ")}\``;
	const words = [...given];
	const place = positionals.findIndex(({ several }) => several === true);
	const several = place < 0 ? [] : words.splice(place, Math.max(0, words.length - positionals.length + 1));
	const { name: many = "", summary = "", atLeast = 2 } = positionals[place] ?? {};
	if (place >= 0 && several.length < atLeast) {
		const missing = Array.from({ length: atLeast }, () => `<${many}>`).join(" ");
		throw new CliError("missing-argument", `missing ${missing}…: ${summary}`, { cure });
	}
	const single = positionals.filter((_, index) => index !== place);
	if (words.length > single.length) {
		throw new CliError("bad-flag", `unexpected argument "${words[single.length]}"`, { cure });
	}
	const named: Record<string, string> = {};
	for (const [index, positional] of single.entries()) {
		const word = words[index];
		if (word !== undefined) named[positional.name] = word;
		else if (positional.optional !== true) {
			throw new CliError("missing-argument", `missing <${positional.name}>: ${positional.summary}`, { cure });
		}
	}
	return { named, several };
}
