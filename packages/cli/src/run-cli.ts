// From the words of a command line to an exit code: finds the command, prints help and version, and turns
// whatever is thrown into one `error[code]: message` line with its cure.

import { CliError } from "./cli-error.ts";
import type { CommandEntry } from "./command.ts";
import { codeOf, EXIT_CODES, type ExitCode, type ExitName, exitCodeOf } from "./exit-codes.ts";
import { HELP_TOPICS, renderCommandHelp, renderGroup, renderOverview } from "./help.ts";
import type { Host } from "./host.ts";

/** Runs one command line and returns the exit code; never throws. */
export async function runCli(
	words: readonly string[],
	host: Host,
	program: { readonly commands: readonly CommandEntry[]; readonly version: string },
): Promise<number> {
	try {
		const exit = (await dispatch(words, host, program)) ?? "ok";
		return EXIT_CODES[exit].code;
	} catch (error) {
		const verbose = words.includes("--verbose") || (host.env["ZK0_DEBUG"] ?? "") !== "";
		host.stderr.write(`${renderError(error, verbose)}\n`);
		return exitCodeOf(error).code;
	}
}

async function dispatch(
	words: readonly string[],
	host: Host,
	program: { readonly commands: readonly CommandEntry[]; readonly version: string },
): Promise<ExitName | void> {
	const [first] = words;
	if (first === "--version" || first === "version") {
		host.stdout.write(`zk0 ${program.version}\n`);
		return;
	}
	if (first === undefined || first === "--help" || first === "-h" || first === "help") {
		host.stdout.write(`${await helpFor(words.slice(1), program.commands)}\n`);
		return;
	}
	const entry = await findCommand(words, program.commands);
	const command = await entry.load();
	const rest = words.slice(entry.path.length);
	const untilSeparator = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
	if (untilSeparator.includes("--help") || untilSeparator.includes("-h")) {
		host.stdout.write(`${renderCommandHelp(entry, command)}\n`);
		return;
	}
	return await command.execute(rest, host, entry.path);
}

async function helpFor(words: readonly string[], commands: readonly CommandEntry[]): Promise<string> {
	if (words.length === 0) return renderOverview(commands);
	// A word may name both a topic and a group of commands: alone it is the topic.
	const topic = words.length === 1 ? HELP_TOPICS.find(({ name }) => name === words[0]) : undefined;
	if (topic !== undefined) return await topic.render();
	const group = words.length === 1 ? renderGroup(words[0] ?? "", commands) : undefined;
	if (group !== undefined) return group;
	const entry = await findCommand(words, commands);
	return renderCommandHelp(entry, await entry.load());
}

async function findCommand(
	words: readonly string[],
	commands: readonly CommandEntry[],
): Promise<CommandEntry> {
	const found = commands.find(({ path }) => path.every((word, index) => words[index] === word));
	if (found !== undefined) return found;
	const written = words.slice(0, 2).filter((word) => !word.startsWith("-"));
	const names = commands.map(({ path }) => path.join(" "));
	const group = names.filter((name) => name.startsWith(`${written[0] ?? ""} `));
	if (group.length > 0 && written.length < 2) {
		const cure = `one of: ${group.join(", ")}`;
		throw new CliError("unknown-command", `"${written.join(" ")}" needs a second word`, { cure });
	}
	const { nearest } = await import("@zk0/arrays");
	const suggestion =
		nearest(written.join(" "), group.length > 0 ? group : names) ?? nearest(written[0] ?? "", names);
	const cure = suggestion === undefined ? "see `zk0 help`" : `did you mean \`zk0 ${suggestion}\`?`;
	throw new CliError(
		"unknown-command",
		`unknown command "${(group.length > 0 ? written : written.slice(0, 1)).join(" ") || words[0]}"`,
		{ cure },
	);
}

/** `error[code]: message`, the cure on a second line, and with `verbose` the chain of causes with their stacks. */
export function renderError(error: unknown, verbose: boolean): string {
	const exit = exitCodeOf(error);
	const code = codeOf(error) ?? exit.name;
	const message = error instanceof Error ? error.message : String(error);
	// Some packages put their code at the front of the message; here it stands before it already.
	const bare = message
		.replace(/^\[[a-z- ]+(?: \(([^)]*)\))?\] /, (_, who?: string) => (who === undefined ? "" : `${who}: `))
		.replace(`${code}: `, "")
		.replaceAll("\n", " ");
	const lines = [`error[${code}]: ${bare}`];
	const cure = cureOf(error, exit);
	if (cure !== undefined) lines.push(`  ${cure}`);
	if (verbose) lines.push(...causeChain(error).map((text) => `  ${text.replaceAll("\n", "\n  ")}`));
	return lines.join("\n");
}

function cureOf(error: unknown, exit: ExitCode): string | undefined {
	if (error instanceof CliError) return error.cure;
	// The messages of the other packages say the cure where they know it; the table adds the general one.
	return exit.help;
}

function causeChain(error: unknown): string[] {
	const chain: string[] = [];
	let link: unknown = error;
	while (link instanceof Error && chain.length < 10) {
		chain.push(`${chain.length === 0 ? "at" : "caused by"} ${link.stack ?? link.message}`);
		link = link.cause;
	}
	if (link !== undefined && !(link instanceof Error)) chain.push(`caused by ${JSON.stringify(link)}`);
	return chain;
}
