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
	let end = 0;
	const next = (): string => {
		TOKEN.lastIndex = end;
		const token = TOKEN.exec(text)?.[1];
		if (token === undefined) throw notAnIndex("unreadable text");
		end = TOKEN.lastIndex;
		return token;
	};
	const expectToken = (expected: string, token: string): void => {
		if (token !== expected) throw notAnIndex(`expected ${expected}, got ${token.slice(0, 80)}`);
	};
	const entries = new Map<string, string>();
	expectToken("{", next());
	for (let token = next(); token !== "}"; ) {
		const key = stringOf(token);
		expectToken(":", next());
		if (entries.has(key)) throw notAnIndex(`"${key.slice(0, 80)}" twice`);
		entries.set(key, stringOf(next()));
		token = next();
		if (token === "}") break;
		expectToken(",", token);
		token = next();
		if (token === "}") throw notAnIndex("a comma before }");
	}
	if (text.slice(end).trim() !== "") throw notAnIndex("text after the object");
	return entries;
}

function stringOf(token: string): string {
	const value: unknown = token.startsWith('"') ? parseJson(token) : undefined;
	if (typeof value !== "string") throw notAnIndex(`expected a string, got ${token.slice(0, 80)}`);
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
