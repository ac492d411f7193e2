// What can be said about a setting of a run, from its row: names, values that it takes, defaults. Help, `zk0 config`, the
// JSON Schema for editors and docs/configuration.md all say this.
import { nearest } from "@zk0/arrays";
import { z } from "zod";
import { flagOf, type OptionSpec, variableOf } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { PRESETS, type PresetName } from "./presets.ts";
import { RUN_OPTIONS, type RunOptionName } from "./run-options.ts";

/** A setting as people see it. */
export interface SettingDescription {
	readonly key: RunOptionName;
	readonly flag: string;
	readonly variable: string;
	readonly summary: string;
	/** The values that it takes, in words. */
	readonly takes: string;
	/** The default of every preset; null where it is left open. */
	readonly defaults: Readonly<Record<PresetName, string | null>>;
}

/** The settings in the order of the table. */
export const SETTING_NAMES: readonly RunOptionName[] =
	// The keys of an object literal.
	Object.keys(RUN_OPTIONS) as RunOptionName[];

/** A setting by the name that someone wrote: its key, flag or variable. @throws CliError "unknown-config-key" */
export function settingNamed(written: string): RunOptionName {
	const names = SETTING_NAMES.flatMap((key) => [key, flagOf(key), variableOf(key)]);
	const found = SETTING_NAMES.find((key) => [key, flagOf(key), variableOf(key)].includes(written));
	if (found !== undefined) return found;
	const suggestion = nearest(written, names);
	throw new CliError("unknown-config-key", `there is no setting "${written}"`, {
		cure: suggestion === undefined ? "list them with `zk0 config show`" : `did you mean ${suggestion}?`,
	});
}

/** Describes a setting. */
export function describeSetting(key: RunOptionName): SettingDescription {
	const spec: OptionSpec = RUN_OPTIONS[key];
	const defaultOf = (preset: PresetName): string | null => {
		const value: unknown = key === "preset" ? "small" : PRESETS[preset][key];
		return value === null ? null : settingText(key, value);
	};
	return {
		key,
		flag: spec.kind === "switch" ? flagOf(key) : `${flagOf(key)} ${spec.value ?? "<value>"}`,
		variable: variableOf(key),
		summary: spec.summary,
		takes: takesOf(spec),
		defaults: { tiny: defaultOf("tiny"), small: defaultOf("small"), full: defaultOf("full") },
	};
}

/** The presets' defaults in a line: `6`, or `tiny 2, small 6, full 20`. */
export function defaultsText({ defaults }: SettingDescription): string {
	const texts = Object.entries(defaults).map(([preset, text]) => [preset, text ?? "open"] as const);
	const [first] = texts;
	if (texts.every(([, text]) => text === first?.[1])) return first?.[1] ?? "open";
	return texts.map(([preset, text]) => `${preset} ${text}`).join(", ");
}

/** A value as a person would write it after the flag. */
export function settingText(key: RunOptionName, value: unknown): string {
	if (value === null) return "open";
	if (Array.isArray(value)) return value.join(key === "imageSize" ? "x" : ",");
	if (key === "cacheBudget" && typeof value === "number") return byteText(value);
	if (typeof value === "object") {
		return Object.entries(value)
			.map(([name, text]) => `${name}=${text}`)
			.join("; ");
	}
	return typeof value === "string" ? value : JSON.stringify(value);
}

/** A value as a configuration file writes it. */
export function settingJson(key: RunOptionName, value: unknown): unknown {
	return typeof value === "object" && !Array.isArray(value)
		? value
		: typeof value === "boolean" || (typeof value === "number" && key !== "cacheBudget")
			? value
			: settingText(key, value);
}

function byteText(bytes: number): string {
	const units = [
		["TB", 1e12],
		["GB", 1e9],
		["MB", 1e6],
	] as const;
	const [name, size] = units.find(([, unit]) => bytes >= unit && (bytes / unit) % 1 === 0) ?? ["", 1];
	return `${bytes / size}${name}`;
}

/** The JSON Schema of one value, as it is written in a file. */
export function valueSchema(spec: OptionSpec): z.core.JSONSchema.BaseSchema {
	const { $schema: _, ...schema } = z.toJSONSchema(spec.schema, {
		io: "input",
		target: "draft-7",
		unrepresentable: "any",
	});
	return schema;
}

function takesOf(spec: OptionSpec): string {
	if (spec.kind === "switch") return "true or false";
	const schema = valueSchema(spec);
	if (schema.enum !== undefined) return schema.enum.join(", ");
	if (spec.kind === "pairs") return `${spec.value}, any number of them`;
	const { minimum, maximum, exclusiveMinimum } = schema;
	if (schema.type !== "integer" && schema.type !== "number") return spec.value ?? "text";
	const from = exclusiveMinimum === undefined ? `${minimum ?? ""}` : `above ${exclusiveMinimum}`;
	const to = maximum === undefined ? "" : ` to ${maximum === Number.MAX_SAFE_INTEGER ? "2^53 − 1" : maximum}`;
	return `${schema.type === "integer" ? "whole number" : "number"}, ${from}${to}`;
}

/** The JSON Schema (draft 7) of a configuration file, for editors. */
export function configJsonSchema(): unknown {
	return {
		$schema: "http://json-schema.org/draft-07/schema#",
		title: "zk0.json",
		description: "Settings of a federated run of zk0",
		type: "object",
		additionalProperties: false,
		properties: {
			$schema: { type: "string" },
			...Object.fromEntries(
				SETTING_NAMES.map((key) => {
					const setting = describeSetting(key);
					const description = `${setting.summary} (default: ${defaultsText(setting)})`;
					return [key, { ...valueSchema(RUN_OPTIONS[key]), description }];
				}),
			),
		},
	};
}
