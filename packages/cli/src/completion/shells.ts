// Completion scripts of the shells, written from one table. Each finds the words before the cursor that name a command, and
// offers the next word of a command, its flags, or the values of the flag before the cursor; else the shell's files.

/** What can be completed. */
export interface CompletionTable {
	readonly commands: readonly {
		/** `server start` */
		readonly path: string;
		readonly summary: string;
		readonly flags: readonly {
			readonly flag: string;
			readonly summary: string;
			readonly takesValue: boolean;
			/** Its values, where they are words of a list. */
			readonly choices: readonly string[];
		}[];
		/** Words that may follow, where they are known. */
		readonly words?: readonly string[];
	}[];
}

/** A shell that there is a script for. */
export type Shell = "bash" | "zsh" | "fish";

/** The script of each shell. */
export const SHELLS: Readonly<Record<Shell, (table: CompletionTable) => string>> = {
	bash: bashScript,
	zsh: zshScript,
	fish: fishScript,
};

/** What may follow each beginning of a command: `""` → `server`, `server` → `start`. */
function nextWords({ commands }: CompletionTable): Map<string, Set<string>> {
	const next = new Map<string, Set<string>>();
	for (const { path, words = [] } of commands) {
		const parts = path.split(" ");
		for (const [index, word] of parts.entries()) {
			const before = parts.slice(0, index).join(" ");
			next.set(before, (next.get(before) ?? new Set()).add(word));
		}
		if (words.length > 0) next.set(path, new Set(words));
	}
	return next;
}

/** The cases of a POSIX `case "$path"`: what may follow, by the words so far. */
function shellCases(table: CompletionTable, indent: string): string {
	const groups = [...nextWords(table)].map(
		([before, words]) => `${indent}"${before}") offers="${[...words].join(" ")}" ;;`,
	);
	const commands = table.commands.map(({ path, flags }) => {
		const choices = flags
			.filter(({ choices }) => choices.length > 0)
			.map(({ flag, choices }) => `${flag}) offers="${choices.join(" ")}" ;; `);
		const values = flags.filter((one) => one.takesValue && one.choices.length === 0).map(({ flag }) => flag);
		const files = values.length === 0 ? "" : `${values.join("|")}) ;; `;
		const all = flags.map(({ flag }) => flag).join(" ");
		return `${indent}"${path}"|"${path} "*) case "$prev" in ${choices.join("")}${files}*) flags="${all}" ;; esac ;;`;
	});
	return [...groups, ...commands].join("\n");
}

/** What bash and zsh do alike: from the words before the cursor to what is offered. */
function offersOf(table: CompletionTable, at: { cur: string; prev: string; words: string }): string {
	return `	local cur="${at.cur}" prev="${at.prev}" path="" offers="" flags="" word
	for word in "${at.words}"; do
		case "$word" in -*) break ;; esac
		path="\${path:+$path }$word"
	done
	case "$path" in
${shellCases(table, "\t\t")}
	esac
	case "$cur" in -*) offers="$flags" ;; esac`;
}

function bashScript(table: CompletionTable): string {
	const at = {
		cur: "${COMP_WORDS[COMP_CWORD]}",
		prev: "${COMP_WORDS[COMP_CWORD-1]}",
		words: "${COMP_WORDS[@]:1:COMP_CWORD-1}",
	};
	return `# Completion of zk0 for bash, from \`zk0 completion bash\`.
_zk0() {
${offersOf(table, at)}
	COMPREPLY=($(compgen -W "$offers" -- "$cur"))
}
complete -o default -F _zk0 zk0
`;
}

function zshScript(table: CompletionTable): string {
	const at = { cur: "${words[CURRENT]}", prev: "${words[CURRENT-1]}", words: "${(@)words[2,CURRENT-1]}" };
	return `#compdef zk0
# Completion of zk0 for zsh, from \`zk0 completion zsh\`.
_zk0() {
${offersOf(table, at)}
	if [[ -n "$offers" ]]; then
		compadd -- \${=offers}
	else
		_files
	fi
}
_zk0 "$@"
`;
}

function fishScript(table: CompletionTable): string {
	const quote = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
	const summaries = new Map(table.commands.map(({ path, summary }) => [path, summary]));
	const words = [...nextWords(table)].flatMap(([before, next]) =>
		[...next].map((word) => {
			const summary = summaries.get(before === "" ? word : `${before} ${word}`);
			const about = summary === undefined ? "" : ` -d ${quote(summary)}`;
			return `complete -c zk0 -n ${quote(`__zk0_at '${before}'`)} -f -a ${quote(word)}${about}`;
		}),
	);
	const flags = table.commands.flatMap(({ path, flags: own }) =>
		own.map(({ flag, summary, takesValue, choices }) => {
			const value = choices.length > 0 ? ` -x -a ${quote(choices.join(" "))}` : takesValue ? " -r" : "";
			return `complete -c zk0 -n ${quote(`__zk0_in '${path}'`)} -l ${flag.slice(2)}${value} -d ${quote(summary)}`;
		}),
	);
	return `# Completion of zk0 for fish, from \`zk0 completion fish\`.
function __zk0_path
	set -l words
	for word in (commandline -opc)[2..]
		string match -q -- '-*' $word; and break
		set -a words $word
	end
	string join ' ' -- $words
end
function __zk0_at
	test (__zk0_path | string collect -a) = "$argv[1]"
end
function __zk0_in
	string match -q -- "$argv[1]*" (__zk0_path | string collect -a)
end
${[...words, ...flags].join("\n")}
`;
}
