// The JSON inside objects, spelled as Python's json.dumps spells it by default (", " and ": ", ASCII only), because
// object ids are hashes of that text. Reading accepts any spelling of the two forms that occur.
import { FlowerError } from "./errors.ts";

const SHORT_ESCAPES: ReadonlyMap<string, string> = new Map([
	['"', '\\"'],
	["\\", "\\\\"],
	["\n", "\\n"],
	["\r", "\\r"],
	["\t", "\\t"],
	["\f", "\\f"],
	["\b", "\\b"],
]);

/** A string literal; every UTF-16 unit outside printable ASCII becomes a \uXXXX escape. */
export function pythonJsonString(text: string): string {
	const escaped = text.replace(
		/["\\]|[^ -~]/g,
		(unit) => SHORT_ESCAPES.get(unit) ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
	);
	return `"${escaped}"`;
}

/** An object of strings, in the entries' order. */
export function pythonJsonIndex(entries: Iterable<readonly [string, string]>): string {
	const items = Array.from(entries, ([key, value]) => `${pythonJsonString(key)}: ${pythonJsonString(value)}`);
	return `{${items.join(", ")}}`;
}

const TOKEN = /\s*("(?:[^"\\]|\\.)*"|[{}:,])/y;

/**
 * Reads an object whose values are all strings, keeping the order of its keys. (JSON.parse moves keys that look like
 * array indexes to the front, which would change the object id.)
 * @throws FlowerError invalid-argument for any other text, or a repeated key.
 */
export function parseJsonIndex(text: string): Map<string, string> {
	const tokens = tokenize(text);
	let position = 0;
	const next = (): string | undefined => tokens[position++];
	const expectToken = (expected: string): void => {
		const token = next();
		if (token !== expected) throw notAnIndex(`expected ${expected}, got ${token ?? "the end"}`);
	};
	const entries = new Map<string, string>();
	expectToken("{");
	if (tokens[position] === "}") next();
	else {
		for (;;) {
			const key = stringOf(next());
			expectToken(":");
			if (entries.has(key)) throw notAnIndex(`key ${key} twice`);
			entries.set(key, stringOf(next()));
			const separator = next();
			if (separator === "}") break;
			if (separator !== ",") throw notAnIndex("expected , or }");
		}
	}
	if (position !== tokens.length) throw notAnIndex("text after the object");
	return entries;
}

function tokenize(text: string): string[] {
	const end = text.trimEnd().length;
	const tokens: string[] = [];
	TOKEN.lastIndex = 0;
	while (TOKEN.lastIndex < end) {
		const token = TOKEN.exec(text)?.[1];
		if (token === undefined) throw notAnIndex("unreadable text");
		tokens.push(token);
	}
	return tokens;
}

function stringOf(token: string | undefined): string {
	if (token?.startsWith('"') !== true) throw notAnIndex("expected a string");
	const value: unknown = parseJson(token);
	if (typeof value !== "string") throw notAnIndex("expected a string");
	return value;
}

/** @throws FlowerError invalid-argument when `text` is not JSON. */
export function parseJson(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch (cause) {
		throw new FlowerError("invalid-argument", "An object's body is not JSON.", { cause });
	}
}

function notAnIndex(reason: string): FlowerError {
	return new FlowerError(
		"invalid-argument",
		`An object's body is not a JSON object of names and ids: ${reason}.`,
	);
}
