// `zk0 completion <shell>`: a script with which a shell completes commands, flags and the values of flags.
import { flagOf, type OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { type CommandEntry, defineCommand } from "../command.ts";
import { type CompletionTable, SHELLS, type Shell } from "../completion/shells.ts";
import { valueSchema } from "../config/settings.ts";
import { HELP_TOPICS } from "../help.ts";

/** The command. */
export const completion = defineCommand({
	positionals: [{ name: "shell", summary: "bash, zsh or fish" }],
	options: {},
	notes: [
		"Write the script to a file once for each version of zk0: loading all commands takes about a second.",
		"bash: mkdir -p ~/.local/share/bash-completion/completions && zk0 completion bash > ~/.local/share/bash-completion/completions/zk0",
		"zsh: zk0 completion zsh > a folder of $fpath, as _zk0",
		"fish: mkdir -p ~/.config/fish/completions && zk0 completion fish > ~/.config/fish/completions/zk0.fish",
	],
	examples: ["zk0 completion bash"],
	async run({ named, output }) {
		const wanted = named["shell"] ?? "";
		if (!Object.hasOwn(SHELLS, wanted)) {
			throw new CliError("bad-flag", `"${wanted}" is not a shell that zk0 knows`, {
				cure: `one of: ${Object.keys(SHELLS).join(", ")}`,
			});
		}
		const shell = wanted as Shell; // One of the keys of SHELLS.
		const { COMMANDS } = await import("./index.ts");
		const script = SHELLS[shell](await completionTable(COMMANDS));
		output.result({ shell, script }, () => script.trimEnd());
	},
});

async function completionTable(entries: readonly CommandEntry[]): Promise<CompletionTable> {
	const commands: CompletionTable["commands"][number][] = [];
	for (const entry of entries) {
		const { options } = await entry.load();
		commands.push({ path: entry.path.join(" "), summary: entry.summary, flags: flagsOf(options) });
	}
	const names = entries.map(({ path }) => path.join(" "));
	commands.push({
		path: "help",
		summary: "Explain a command or a topic.",
		flags: [],
		words: [
			...new Set([...HELP_TOPICS.map(({ name }) => name), ...names.map((name) => name.split(" ")[0] ?? "")]),
		],
	});
	return { commands };
}

function flagsOf(options: OptionTable): CompletionTable["commands"][number]["flags"] {
	return Object.entries(options).map(([key, spec]) => {
		const choices = spec.kind === "text" ? (valueSchema(spec).enum ?? []).map(String) : [];
		return { flag: flagOf(key), summary: spec.summary, takesValue: spec.kind !== "switch", choices };
	});
}
