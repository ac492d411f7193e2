// Writes what code knows into the docs: commands, exit codes, settings and variables into the marked parts of docs/cli.md and
// docs/configuration.md, and the JSON Schema of configuration files. `--check` fails when something is not up to date, or
// when the sources read a variable that no table has.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { flagOf, variableOf } from "../packages/cli/src/arguments/option.ts";
import { OUTPUT_OPTIONS } from "../packages/cli/src/arguments/output-options.ts";
import type { Positional } from "../packages/cli/src/command.ts";
import { COMMANDS } from "../packages/cli/src/commands/index.ts";
import { ENVIRONMENT } from "../packages/cli/src/config/environment.ts";
import {
	configJsonSchema,
	defaultsText,
	describeSetting,
	SETTING_NAMES,
} from "../packages/cli/src/config/settings.ts";
import { EXIT_CODES } from "../packages/cli/src/exit-codes.ts";
import { HELP_TOPICS } from "../packages/cli/src/help.ts";

const COMMAND = "npm run reference";
/** Variables that only tests and tools read. */
const FOR_DEVELOPERS = ["ZK0_REQUIRE_ALL"];

/** A line of a table; pipes would end a cell. */
function row(cells: readonly string[]): string {
	return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
	return [row(header), row(header.map(() => "---")), ...rows.map(row)].join("\n");
}

function usageWords(positionals: readonly Positional[]): string {
	return positionals
		.map(({ name, optional, several }) =>
			several === true ? ` <${name}>…` : optional === true ? ` [${name}]` : ` <${name}>`,
		)
		.join("");
}

async function commandTable(): Promise<string> {
	const common = new Set(Object.keys(OUTPUT_OPTIONS));
	const rows: string[][] = [];
	for (const entry of COMMANDS) {
		const { options, positionals } = await entry.load();
		const own = Object.keys(options).filter((key) => !common.has(key));
		const settings = own.filter((key) => options[key]?.isSetting === true).length;
		// The settings have a page of their own.
		const flags =
			settings > 12
				? [
						...own.filter((key) => options[key]?.isSetting !== true).map(flagOf),
						"[settings](configuration.md)",
					]
				: own.map(flagOf);
		rows.push([
			`\`zk0 ${entry.path.join(" ")}${usageWords(positionals)}\``,
			entry.summary,
			flags.map((flag) => (flag.startsWith("--") ? `\`${flag}\`` : flag)).join(" "),
		]);
	}
	return table(["command", "what it does", "flags"], rows);
}

function exitCodeTable(): string {
	return table(
		["code", "name", "when", "what to do"],
		Object.values(EXIT_CODES).map(({ code, name, meaning, help }) => [
			String(code),
			`\`${name}\``,
			meaning,
			help,
		]),
	);
}

function settingTable(): string {
	return table(
		["setting", "meaning", "takes", "default"],
		SETTING_NAMES.map((key) => {
			const setting = describeSetting(key);
			return [
				`\`${key}\`<br>\`${flagOf(key)}\`<br>\`${variableOf(key)}\``,
				setting.summary,
				setting.takes,
				defaultsText(setting),
			];
		}),
	);
}

function variableTable(): string {
	return table(
		["variable", "meaning"],
		ENVIRONMENT.map(({ name, summary }) => [`\`${name}\``, summary]),
	);
}

function topicTable(): string {
	return table(
		["topic", "about"],
		HELP_TOPICS.map(({ name, summary }) => [`\`zk0 help ${name}\``, summary]),
	);
}

/** ZK0_… names in sources that neither the settings nor the table of variables have. */
function unknownVariables(): string[] {
	const known = new Set([
		...ENVIRONMENT.map(({ name }) => name),
		...SETTING_NAMES.map(variableOf),
		...FOR_DEVELOPERS,
	]);
	const found = readdirSync("packages").flatMap((name) =>
		readdirSync(join("packages", name, "src"), { recursive: true, encoding: "utf8" })
			.filter((path) => path.endsWith(".ts") && !path.includes(".test."))
			.flatMap((path) =>
				[...readFileSync(join("packages", name, "src", path), "utf8").matchAll(/\["(ZK0_[A-Z_]+)"\]/g)].map(
					([, variable = ""]) => variable,
				),
			),
	);
	return [...new Set(found)].filter((name) => !known.has(name));
}

/** The page with its marked parts written anew. */
function withParts(page: string, parts: Readonly<Record<string, string>>): string {
	let text = readFileSync(page, "utf8");
	for (const [name, content] of Object.entries(parts)) {
		const [start, end] = [`<!-- ${name}: written by tools/generate-docs.ts -->`, `<!-- end of ${name} -->`];
		const [from, to] = [text.indexOf(start), text.indexOf(end)];
		if (from < 0 || to < from) throw new RangeError(`${page} lacks the marks "${start}" and "${end}"`);
		text = `${text.slice(0, from + start.length)}\n\n${content}\n\n${text.slice(to)}`;
	}
	return text;
}

const wanted: Readonly<Record<string, string>> = {
	"docs/cli.md": withParts("docs/cli.md", {
		commands: await commandTable(),
		topics: topicTable(),
		"exit codes": exitCodeTable(),
	}),
	"docs/configuration.md": withParts("docs/configuration.md", {
		settings: settingTable(),
		variables: variableTable(),
	}),
	"docs/zk0.schema.json": `${JSON.stringify(configJsonSchema(), undefined, "\t")}\n`,
};
const isCheck = process.argv.includes("--check");
const failures = unknownVariables().map(
	(name) => `${name} is read, and packages/cli/src/config/environment.ts does not say what it does`,
);
for (const [page, text] of Object.entries(wanted)) {
	if (existsSync(page) && readFileSync(page, "utf8") === text) continue;
	if (isCheck) failures.push(`${page} is not up to date; run: ${COMMAND}`);
	else writeFileSync(page, text);
}
for (const failure of failures) console.error(failure);
process.exitCode = failures.length === 0 ? 0 : 1;
