// Command-line words, and variables of the environment, to checked option values. Splitting is node:util's parseArgs; the messages are ours, because
// they suggest the nearest known flag and quote the value that was refused.

import { parseArgs } from "node:util";
import { nearest } from "@zk0/arrays";
import { CliError } from "../cli-error.ts";
import { flagOf, type OptionSpec, type OptionTable, type OptionValues, variableOf } from "./option.ts";

/** What the command line said. */
export interface ParsedArguments<O extends OptionTable> {
	readonly values: OptionValues<O>;
	readonly positionals: readonly string[];
}

/**
 * Parses the words after the command's name.
 * @throws CliError "unknown-flag" or "bad-flag".
 */
export function parseArguments<O extends OptionTable>(
	words: readonly string[],
	table: O,
): ParsedArguments<O> {
	const keyOfFlag = new Map(Object.keys(table).map((key) => [flagOf(key).slice(2), key]));
	const { tokens } = parseArgs({
		args: [...words],
		options: Object.fromEntries(
			[...keyOfFlag].map(([flag, key]) => [
				flag,
				{ type: table[key]?.kind === "switch" ? "boolean" : "string" },
			]),
		),
		strict: false,
		allowPositionals: true,
		tokens: true,
	});
	const raw = new Map<string, unknown>();
	const positionals: string[] = [];
	for (const token of tokens) {
		if (token.kind === "positional") positionals.push(token.value);
		if (token.kind !== "option") continue;
		const negated = token.name.startsWith("no-") && !keyOfFlag.has(token.name);
		const key = keyOfFlag.get(negated ? token.name.slice(3) : token.name);
		const spec = key === undefined ? undefined : table[key];
		if (key === undefined || spec === undefined || (negated && spec.kind !== "switch")) {
			throw unknownFlag(token.rawName, [...keyOfFlag.keys()]);
		}
		raw.set(key, readToken(token, spec, { negated, earlier: raw.get(key) }));
	}
	const values: Record<string, unknown> = {};
	for (const [key, value] of raw) {
		values[key] = checkOption(flagOf(key), value, table[key]);
	}
	// Each value was checked by the schema of its own row just above.
	return { values: values as OptionValues<O>, positionals };
}

function unknownFlag(written: string, flags: readonly string[]): CliError {
	const suggestion = nearest(written.replace(/^-+/, ""), flags);
	const cure =
		suggestion === undefined ? "see --help for the flags of this command" : `did you mean --${suggestion}?`;
	return new CliError("unknown-flag", `unknown flag ${written}`, { cure });
}

interface OptionToken {
	readonly rawName: string;
	readonly value: string | undefined;
	readonly inlineValue: boolean | undefined;
}

function readToken(
	token: OptionToken,
	spec: OptionSpec,
	context: { readonly negated: boolean; readonly earlier: unknown },
): unknown {
	const { rawName, value } = token;
	if (spec.kind === "switch") {
		if (value !== undefined)
			throw new CliError("bad-flag", `${rawName} is a switch and takes no value, got "${value}"`);
		return !context.negated;
	}
	const looksLikeFlag =
		value?.startsWith("-") === true && token.inlineValue !== true && !/^-[\d.]/.test(value);
	if (value === undefined || value === "" || looksLikeFlag) {
		throw new CliError(
			"bad-flag",
			`${rawName} needs a value${spec.value === undefined ? "" : ` ${spec.value}`}`,
		);
	}
	if (spec.kind === "number") return readNumber(rawName, value);
	if (spec.kind === "pairs") return readPair(rawName, value, spec, context.earlier);
	return value;
}

function readNumber(who: string, value: string): number {
	const number = Number(value);
	if (value.trim() !== "" && !Number.isNaN(number)) return number;
	throw new CliError("bad-flag", `${who} needs a number, got "${value}"`);
}

/** The pairs so far with one more. */
function readPair(who: string, value: string, spec: OptionSpec, earlier: unknown): Record<string, unknown> {
	const split = value.indexOf("=");
	if (split <= 0 || split === value.length - 1) {
		throw new CliError("bad-flag", `${who} needs ${spec.value ?? "<name>=<value>"}, got "${value}"`);
	}
	const name = value.slice(0, split);
	const known = isRecord(earlier) ? earlier : {};
	if (Object.hasOwn(known, name)) throw new CliError("bad-flag", `${who} names "${name}" twice`);
	return { ...known, [name]: value.slice(split + 1) };
}

/** Separates the pairs of a variable: `kitchen=data/kitchen; lab=sim:push-blue-left`. */
const PAIR_SEPARATOR = /\s*;\s*/;

/**
 * The settings of a table that the environment gives; a variable that is empty gives nothing.
 * @throws CliError "bad-flag", naming the variable
 */
export function readVariables<O extends OptionTable>(
	env: Readonly<Record<string, string | undefined>>,
	table: O,
): OptionValues<O> {
	const values: Record<string, unknown> = {};
	for (const [key, spec] of Object.entries<OptionSpec>(table)) {
		const variable = variableOf(key);
		const text = spec.isSetting === true ? (env[variable] ?? "") : "";
		if (text !== "") values[key] = checkOption(variable, readVariable(variable, text, spec), spec);
	}
	// Each value was checked by the schema of its own row just above.
	return values as OptionValues<O>;
}

function readVariable(who: string, text: string, spec: OptionSpec): unknown {
	if (spec.kind === "number") return readNumber(who, text);
	if (spec.kind === "text") return text;
	if (spec.kind === "pairs") {
		const parts = text.split(PAIR_SEPARATOR).filter((part) => part !== "");
		return parts.reduce<Record<string, unknown>>((pairs, part) => readPair(who, part, spec, pairs), {});
	}
	const isOn = /^(1|true|yes|on)$/i.test(text);
	if (isOn || /^(0|false|no|off)$/i.test(text)) return isOn;
	throw new CliError("bad-flag", `${who} is a switch: set it to 1 or 0, got "${text}"`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkOption(who: string, value: unknown, spec: OptionSpec | undefined): unknown {
	if (spec === undefined) throw new RangeError(`checkOption: no row for "${who}"`);
	const checked = spec.schema.safeParse(value);
	if (checked.success) return checked.data;
	const issue = checked.error.issues[0]?.message ?? "not accepted";
	throw new CliError("bad-flag", `${who} ${JSON.stringify(value)}: ${issue}`);
}
