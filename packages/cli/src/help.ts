// Help text, generated from the tables of commands, options and exit codes, so that it cannot disagree with them.
import { flagOf, type OptionTable, variableOf } from "./arguments/option.ts";
import type { Command, CommandEntry } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";

const WIDTH = 100;

/** Breaks a text at spaces into lines of at most `width` characters. */
export function wrap(text: string, width: number): string[] {
	const lines: string[] = [];
	let line = "";
	for (const word of text.split(" ")) {
		if (line !== "" && line.length + 1 + word.length > width) {
			lines.push(line);
			line = word;
		} else line = line === "" ? word : `${line} ${word}`;
	}
	lines.push(line);
	return lines;
}

/** Two aligned columns, the second wrapped. */
export function renderRows(rows: readonly (readonly [string, string])[], indent = "  "): string[] {
	const left = Math.max(...rows.map(([name]) => name.length)) + 2;
	return rows.flatMap(([name, summary]) =>
		wrap(summary, WIDTH - indent.length - left).map(
			(line, index) => `${indent}${(index === 0 ? name : "").padEnd(left)}${line}`,
		),
	);
}

function usageOf({ path }: CommandEntry, { positionals }: Command): string {
	const words = positionals.map(({ name, optional, several, atLeast = 2 }) => {
		if (several === true) return `${Array.from({ length: atLeast }, () => `<${name}>`).join(" ")}…`;
		return optional === true ? `[${name}]` : `<${name}>`;
	});
	return ["zk0", ...path, ...words].join(" ");
}

function optionRows(options: OptionTable): [string, string][] {
	return Object.entries(options).map(([key, { value, summary }]) => [
		value === undefined ? flagOf(key) : `${flagOf(key)} ${value}`,
		summary,
	]);
}

/** The commands of one first word, on a line each; undefined when there are none. */
export function renderGroup(group: string, commands: readonly CommandEntry[]): string | undefined {
	const chosen = commands.filter(({ path }) => path.length > 1 && path[0] === group);
	if (chosen.length === 0) return undefined;
	return [
		`Usage: zk0 ${group} <command> [options]`,
		"",
		...renderRows(chosen.map(({ path, summary }) => [path.join(" "), summary])),
		"",
		`\`zk0 help ${group} <command>\` explains one of them.`,
	].join("\n");
}

/** The help of the program: every command on a line, those of one first word together. */
export function renderOverview(commands: readonly CommandEntry[]): string {
	const width = Math.max(...commands.map(({ path }) => path.join(" ").length));
	const rowsOf = (chosen: readonly CommandEntry[]): string[] =>
		renderRows(chosen.map(({ path, summary }) => [path.join(" ").padEnd(width), summary]));
	const groups = new Set(
		commands.flatMap(({ path: [first = ""], path }) => (path.length > 1 ? [first] : [])),
	);
	return [
		"zk0: federated fine-tuning of SmolVLA robot policies",
		"",
		"Usage: zk0 <command> [options]",
		"",
		"Commands:",
		...rowsOf(commands.filter(({ path }) => path.length === 1)),
		...[...groups].flatMap((group) => [
			"",
			...rowsOf(commands.filter(({ path }) => path.length > 1 && path[0] === group)),
		]),
		"",
		"Help topics:",
		...renderRows(HELP_TOPICS.map(({ name, summary }) => [`help ${name}`.padEnd(width), summary])),
		"",
		"`zk0 help <command>` or `zk0 <command> --help` explains one command.",
	].join("\n");
}

/** The help of one command. */
export function renderCommandHelp(entry: CommandEntry, command: Command): string {
	const lines = [entry.summary, "", `Usage: ${usageOf(entry, command)} [options]`];
	if (command.positionals.length > 0) {
		lines.push("", "Arguments:");
		lines.push(...renderRows(command.positionals.map(({ name, summary }) => [name, summary])));
	}
	lines.push("", "Options:", ...renderRows(optionRows(command.options)));
	for (const note of command.notes) lines.push("", ...wrap(note, WIDTH));
	if (command.examples.length > 0)
		lines.push("", "Examples:", ...command.examples.map((line) => `  ${line}`));
	return lines.join("\n");
}

/** A page of help that belongs to no command. */
export interface HelpTopic {
	readonly name: string;
	readonly summary: string;
	render(): string | Promise<string>;
}

/** The help topics, in the order of the overview. */
export const HELP_TOPICS: readonly HelpTopic[] = [
	{
		name: "exit-codes",
		summary: "what each exit code means and what to do about it",
		render: () =>
			[
				"Exit codes:",
				...Object.values(EXIT_CODES).flatMap(({ code, name, meaning, help }) =>
					renderRows([[`${String(code).padStart(3)} ${name}`.padEnd(16), `${meaning} ${help}`]]),
				),
			].join("\n"),
	},
	{
		name: "configuration",
		summary: "where settings come from, and which source wins",
		async render() {
			const { RUN_OPTIONS } = await import("./config/run-options.ts");
			return [
				...wrap(
					"Every setting of a run has a default in its preset and three names: a key in a configuration file, a " +
						"variable of the environment, and a flag. The later wins:",
					WIDTH,
				),
				"",
				...renderRows([
					["1. preset", "--preset tiny, small or full"],
					["2. file", "JSON with comments, named by --config or ZK0_CONFIG; `zk0 config init` writes one"],
					[
						"3. variables",
						"ZK0_LOCAL_STEPS=20; pairs are separated by semicolons: ZK0_DATA='a=dir; b=sim:x'",
					],
					["4. flags", "--local-steps 20"],
				]),
				"",
				...wrap(
					"`zk0 config show` says what is set and by which source, `zk0 config explain <key>` what a setting means, " +
						"`zk0 config validate <file>` what is wrong with a file.",
					WIDTH,
				),
				"",
				"Settings:",
				...renderRows(Object.keys(RUN_OPTIONS).map((key) => [key, `${variableOf(key)}, ${flagOf(key)}`])),
			].join("\n");
		},
	},
	{
		name: "environment",
		summary: "the variables of the environment that zk0 reads",
		async render() {
			const { ENVIRONMENT } = await import("./config/environment.ts");
			return [
				"Variables, besides those of the settings (`zk0 help configuration`):",
				...renderRows(ENVIRONMENT.map(({ name, summary }) => [name, summary])),
			].join("\n");
		},
	},
	{
		name: "data",
		summary: "how recordings are named: on disk, on the hub, simulated, and parts of them",
		render: () =>
			[
				"Recordings are LeRobot datasets of format v2.0, v2.1 or v3.0, named by",
				...renderRows([
					["<path>, local:<path>", "a directory, the one with meta/"],
					[
						"hf:<user>/<name>",
						"a dataset on the Hugging Face hub: its newest format that zk0 reads (tag v3.0, v2.1 or v2.0), else main",
					],
					["hf:<user>/<name>@<rev>", "a branch, tag or commit of it"],
					["sim:<task>", "demonstrations that the simulated arm records; see `zk0 help tasks`"],
					[
						"<profile>.json",
						"a site profile from `zk0 data doctor --fix profile`: its dataset with its cameras, units, statistics and held-out episodes, without the quarantined ones",
					],
				]),
				"",
				"local: and hf: take a part of a dataset; only its files have to be there or are downloaded:",
				...renderRows([
					["?episodes=0-9,12", "episodes by their numbers"],
					["?cameras=top,wrist", "cameras by their keys or the last parts of them; none with ?cameras="],
				]),
				"",
				...wrap(
					"Downloads go to LeRobot's cache (HF_LEROBOT_HOME/hub, by default ~/.cache/huggingface/lerobot/hub) in " +
						"Python's layout, continue where they broke off, and are checked by hash. HF_TOKEN or `hf auth login` opens " +
						"private datasets; HF_ENDPOINT, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE mean what they mean in Python.",
					WIDTH,
				),
			].join("\n"),
	},
	{
		name: "tasks",
		summary: "what the simulated arm can be asked to do",
		async render() {
			const { DEMO_SITES, TASKS } = await import("@zk0/sim");
			return [
				"Tasks of the simulated arm, as in sim:<task> and --task:",
				...renderRows(TASKS.map(({ id, sentence }) => [id, sentence])),
				"",
				"Demonstration sites, each with two tasks and a workplace of its own:",
				...renderRows(DEMO_SITES.map(({ name, taskIds }) => [name, taskIds.join(", ")])),
			].join("\n");
		},
	},
];
