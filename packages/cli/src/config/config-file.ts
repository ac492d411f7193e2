// A configuration file: JSON with comments, its keys the rows of the option table and nothing else. Every problem is found
// at once, with its line.

import { readFile } from "node:fs/promises";
import { nearest } from "@zk0/arrays";
import {
	findNodeAtLocation,
	getNodeValue,
	type Node,
	type ParseError,
	parseTree,
	printParseErrorCode,
} from "jsonc-parser";
import { z } from "zod";
import type { OptionSpec } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import type { Given } from "./resolve.ts";
import { RUN_OPTIONS } from "./run-options.ts";

/** One thing that is wrong with a file. */
export interface ConfigProblem {
	readonly code: "bad-config" | "unknown-config-key";
	/** Counted from 1; null for what was not read from a text. */
	readonly line: number | null;
	readonly message: string;
	readonly cure: string | null;
}

/** The shape of zk0.json: the rows of the option table, each optional, nothing else. */
const fileSchema = z.strictObject(
	Object.fromEntries(
		Object.entries<OptionSpec>(RUN_OPTIONS).map(([key, { schema }]) => [key, schema.optional()]),
	),
);

/** Names the JSON Schema for editors; says nothing to a run. */
const SCHEMA_KEY = "$schema";

/**
 * Reads a configuration file.
 * @throws CliError "bad-config" when it is not readable JSON or a value is out of range, "unknown-config-key" (with
 * the nearest known key) for a key that nothing would read.
 */
export async function readConfigFile(path: string, options: { signal?: AbortSignal } = {}): Promise<Given> {
	return throwFirst(checkConfigText(await readConfigText(path, options)), path);
}

/** The text of a configuration file. @throws CliError "bad-config" */
export async function readConfigText(path: string, options: { signal?: AbortSignal } = {}): Promise<string> {
	return await readFile(path, { encoding: "utf8", ...options }).catch((cause: unknown) => {
		throw new CliError("bad-config", `cannot read configuration ${path}`, {
			cure: "give --config the path of a JSON file; `zk0 config init` writes one",
			cause,
		});
	});
}

/** What a file's text gives, and everything that is wrong with it. */
export function checkConfigText(text: string): Checked {
	const errors: ParseError[] = [];
	const tree = parseTree(text, errors, { allowTrailingComma: true });
	const lineOf = (offset: number): number => text.slice(0, offset).split("\n").length;
	if (tree === undefined || errors.length > 0) {
		const problems = errors.map(({ error, offset }): ConfigProblem => {
			const what = printParseErrorCode(error)
				.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter}`)
				.toLowerCase();
			return { code: "bad-config", line: lineOf(offset), message: `not JSON: ${what}`, cure: null };
		});
		return { given: {}, problems };
	}
	const { [SCHEMA_KEY]: _, ...json } = asRecord(getNodeValue(tree));
	return checkConfig(tree.type === "object" ? json : getNodeValue(tree), (path) => {
		const node = findNode(tree, path);
		return node === undefined ? null : lineOf(node.offset);
	});
}

/** Checks the JSON of a configuration; `where` names it in messages. @throws CliError as `readConfigFile` */
export function parseConfig(json: unknown, where: string): Given {
	return throwFirst(
		checkConfig(json, () => null),
		where,
	);
}

interface Checked {
	readonly given: Given;
	readonly problems: readonly ConfigProblem[];
}

function checkConfig(json: unknown, lineOf: (path: PropertyKey[]) => number | null): Checked {
	const checked = fileSchema.safeParse(json);
	if (checked.success) return { given: checked.data, problems: [] };
	const problems = checked.error.issues.flatMap((issue): ConfigProblem[] => {
		if (issue.code === "unrecognized_keys") {
			return issue.keys.map((key) => unknownKey(key, lineOf([...issue.path, key])));
		}
		const key = issue.path.join(".");
		const text = issue.code === "invalid_key" ? (issue.issues[0]?.message ?? issue.message) : issue.message;
		const message = `${key === "" ? "" : `"${key}" `}${text}`;
		const cure = key === "" ? null : `see \`zk0 config explain ${String(issue.path[0])}\``;
		return [{ code: "bad-config", line: lineOf(issue.path), message, cure }];
	});
	return { given: {}, problems: problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)) };
}

function unknownKey(key: string, line: number | null): ConfigProblem {
	const known = Object.keys(RUN_OPTIONS);
	const suggestion = nearest(key, known);
	const cure =
		suggestion === undefined ? `the keys are: ${known.join(", ")}` : `did you mean "${suggestion}"?`;
	return { code: "unknown-config-key", line, message: `unknown key "${key}"`, cure };
}

function throwFirst({ given, problems }: Checked, where: string): Given {
	const [first] = problems;
	if (first === undefined) return given;
	const { code, line, message, cure } = first;
	const more = problems.length > 1 ? ` (and ${problems.length - 1} more: zk0 config validate ${where})` : "";
	throw new CliError(
		code,
		`${where}${line === null ? "" : `:${line}`}: ${message}${line === null ? "" : more}`,
		cure === null ? {} : { cure },
	);
}

function asRecord(value: unknown): Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value)
		? Object.fromEntries(Object.entries(value))
		: {};
}

/** The node at a path, or the last one on the way to it that is there. */
function findNode(tree: Node, path: readonly PropertyKey[]): Node | undefined {
	const segments = path.map((part) => (typeof part === "number" ? part : String(part)));
	for (let length = segments.length; length > 0; length--) {
		const node = findNodeAtLocation(tree, segments.slice(0, length));
		if (node !== undefined) return node;
	}
	return tree;
}
