// `zk0 config …`: the settings of a run, before it runs.
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { writeFileAtomic } from "@zk0/arrays/node";
import { readRunRecord } from "@zk0/records";
import { z } from "zod";
import { findRun } from "../arguments/find-run.ts";
import type { OptionTable } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { checkConfigText, readConfigFile, readConfigText } from "../config/config-file.ts";
import { CONFIG_OPTION } from "../config/config-option.ts";
import { configTemplate } from "../config/config-template.ts";
import { unreadVariables } from "../config/environment.ts";
import { PRESETS, type PresetName, type RunConfig } from "../config/presets.ts";
import { type Given, pickRunOptions, type ResolvedConfig, resolveConfig } from "../config/resolve.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import {
	configJsonSchema,
	defaultsText,
	describeSetting,
	SETTING_NAMES,
	settingNamed,
	settingText,
} from "../config/settings.ts";
import { wrap } from "../help.ts";
import type { Host } from "../host.ts";
import { createPaint, wantsColour } from "../progress/paint.ts";
import { renderTable } from "../progress/table.ts";

const NOTES = [
	"Order of precedence: flags, variables (ZK0_…), the file, the preset; `zk0 help configuration`.",
];
const SCHEMA_FILE = "zk0.schema.json";

/** `zk0 config init`. */
export const configInit = defineCommand({
	positionals: [{ name: "file", summary: "where to write it (default: zk0.json)", optional: true }],
	options: {
		preset: {
			...RUN_OPTIONS.preset,
			summary: "whose defaults to write: tiny, small or full (default: small)",
		},
		force: { kind: "switch", schema: z.boolean(), summary: "replace a file that is there" },
	},
	notes: [
		`Every setting is there as a comment with its default: take the // away to set it. ${SCHEMA_FILE} beside it tells ` +
			"editors what each setting means and takes.",
	],
	examples: ["zk0 config init", "zk0 config init full.json --preset full", "zk0 simulate --config zk0.json"],
	async run({ values, named, host, output }) {
		const path = resolve(host.cwd, named["file"] ?? "zk0.json");
		if (existsSync(path) && values.force !== true) {
			throw new CliError("target-exists", `${path} is there already`, {
				cure: "name another file, or replace it with --force",
			});
		}
		const schemaPath = join(dirname(path), SCHEMA_FILE);
		await writeFileAtomic(schemaPath, schemaText());
		await writeFileAtomic(path, configTemplate(values.preset ?? "small", SCHEMA_FILE));
		output.result({ file: path, schema: schemaPath }, () =>
			[`wrote ${path}`, `use it with: zk0 simulate --config ${basename(path)}`].join("\n"),
		);
	},
});

/** `zk0 config validate`. */
export const configValidate = defineCommand({
	positionals: [{ name: "file", summary: "a configuration file" }],
	options: {},
	notes: ["Fails with exit code 3 when anything is wrong; all problems are shown, each with its line."],
	async run({ named, host, output }) {
		const path = resolve(host.cwd, named["file"] ?? "");
		const { given, problems } = checkConfigText(await readConfigText(path, { signal: host.signal }));
		if (problems.length === 0) resolveConfig(given, {});
		output.result({ file: path, settings: Object.keys(given), problems }, () =>
			problems.length === 0
				? `${path} is good: it sets ${Object.keys(given).join(", ") || "nothing"}`
				: problems.map(({ line, message }) => `${named["file"]}:${line ?? 1}: ${message}`).join("\n"),
		);
		const [first] = problems;
		if (first === undefined) return;
		const cures = new Set(problems.flatMap(({ cure }) => cure ?? []));
		const many = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
		const cure = [...cures].join("; ");
		throw new CliError(first.code, `${many} in ${path}`, cure === "" ? {} : { cure });
	},
});

const SHOW_OPTIONS = { config: CONFIG_OPTION, ...RUN_OPTIONS } satisfies OptionTable;

/** `zk0 config show`. */
export const configShow = defineCommand({
	options: SHOW_OPTIONS,
	notes: ["Takes the flags of `zk0 simulate` and shows what a run with them would be set to.", ...NOTES],
	examples: ["zk0 config show --config zk0.json --rounds 10", "ZK0_DEVICE=cuda zk0 config show --json"],
	async run({ values, flags, variables, host, output }) {
		const file = await fileSettings(values.config, host);
		const { config, sources } = resolveConfig(pickRunOptions(flags), file, pickRunOptions(variables));
		const unread = unreadVariables(host.env);
		const paint = createPaint(wantsColour(host.stdout.isTTY, host.env));
		output.result({ config, sources, unreadVariables: unread.map(({ name }) => name) }, () =>
			[
				renderTable(
					["setting", "value", "from"],
					SETTING_NAMES.map((key) => [
						key,
						settingText(key, config[key]),
						sourceText(key, { config, sources }),
					]),
					{ paint },
				),
				...unread.map(({ name, meant }) =>
					paint.warn(
						`${name} is set and nothing reads it${meant === undefined ? "" : `; did you mean ${meant}?`}`,
					),
				),
			].join("\n"),
		);
	},
});

/** `zk0 config explain`. */
export const configExplain = defineCommand({
	positionals: [{ name: "key", summary: "a setting by its key, flag or variable" }],
	options: SHOW_OPTIONS,
	notes: NOTES,
	examples: ["zk0 config explain localSteps", "zk0 config explain ZK0_DEVICE"],
	async run({ values, named, flags, variables, host, output }) {
		const key = settingNamed(named["key"] ?? "");
		const setting = describeSetting(key);
		const file = await fileSettings(values.config, host);
		const resolved = resolveConfig(pickRunOptions(flags), file, pickRunOptions(variables));
		const { config, sources } = resolved;
		output.result({ ...setting, value: config[key], source: sources[key] }, () =>
			[
				...wrap(`${setting.summary[0]?.toUpperCase()}${setting.summary.slice(1)}.`, 100),
				"",
				`  takes      ${setting.takes}`,
				`  default    ${defaultsText(setting)}`,
				`  flag       ${setting.flag}`,
				`  variable   ${setting.variable}`,
				`  file       "${key}"`,
				`  now        ${settingText(key, config[key])}, from ${sourceText(key, resolved)}`,
			].join("\n"),
		);
	},
});

/** `zk0 config diff`. */
export const configDiff = defineCommand({
	positionals: [
		{
			name: "a",
			summary: "a configuration file, a preset (tiny, small, full), or a run as `zk0 runs show` takes it",
		},
		{ name: "b", summary: "another one" },
	],
	options: { out: { ...RUN_OPTIONS.out, summary: "directory that holds the runs (default: runs)" } },
	examples: ["zk0 config diff small zk0.json", "zk0 config diff 20261123-1244-beef latest"],
	async run({ values, named, host, output }) {
		const names = [named["a"] ?? "", named["b"] ?? ""] as const;
		const out = resolve(host.cwd, values.out ?? "runs");
		const a = await configNamed(names[0], out, host);
		const b = await configNamed(names[1], out, host);
		const changed = SETTING_NAMES.filter((key) => settingText(key, a[key]) !== settingText(key, b[key]));
		const changes = Object.fromEntries(changed.map((key) => [key, [a[key] ?? null, b[key] ?? null]]));
		output.result({ a: names[0], b: names[1], changes }, () =>
			changed.length === 0
				? `${names[0]} and ${names[1]} set the same`
				: renderTable(
						["setting", ...names],
						changed.map((key) => [key, settingText(key, a[key] ?? null), settingText(key, b[key] ?? null)]),
						{ paint: createPaint(wantsColour(host.stdout.isTTY, host.env)) },
					),
		);
	},
});

/** `zk0 config schema`. */
export const configSchema = defineCommand({
	options: {},
	examples: ["zk0 config schema > zk0.schema.json"],
	async run({ output }) {
		output.result(configJsonSchema(), () => schemaText().trimEnd());
	},
});

function schemaText(): string {
	return `${JSON.stringify(configJsonSchema(), undefined, "\t")}\n`;
}

function sourceText(key: keyof RunConfig, { config, sources }: ResolvedConfig): string {
	const source = sources[key];
	if (source === "preset") return key === "preset" ? "zk0" : `preset ${config.preset}`;
	return source === "variable" ? describeSetting(key).variable : source;
}

async function fileSettings(path: string | undefined, host: Host): Promise<Given> {
	return path === undefined ? {} : await readConfigFile(resolve(host.cwd, path), { signal: host.signal });
}

/** The settings that a file, a preset or a run's record names, as far as they are known. */
async function configNamed(
	name: string,
	out: string,
	host: Host,
): Promise<Readonly<Record<string, unknown>>> {
	if (Object.hasOwn(PRESETS, name)) {
		const preset = name as PresetName; // One of the keys of PRESETS.
		return { preset, ...PRESETS[preset] };
	}
	const path = resolve(host.cwd, name);
	if (name.endsWith(".json") && existsSync(path)) {
		return resolveConfig(await readConfigFile(path, { signal: host.signal }), {}).config;
	}
	return (await readRunRecord((await findRun(out, name)).config)).config;
}
