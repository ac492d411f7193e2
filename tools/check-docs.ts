// Checks that every file opens with a header comment and every exported symbol has a docstring.
import { readFileSync } from "node:fs";
import { sourceFiles } from "./source-files.ts";

const EXPORT = /^export (?:async )?(?:abstract )?(?:function\*?|class|interface|type|const) (\w+)/;

/** Names of the exported symbols of a source text that no docstring precedes. */
function undocumented(text: string): string[] {
	const lines = text.split("\n");
	return lines.flatMap((line, index) => {
		const name = EXPORT.exec(line)?.[1];
		if (name === undefined) return [];
		const before = lines[index - 1]?.trim() ?? "";
		const isOverload = EXPORT.exec(lines[index - 1] ?? "")?.[1] === name;
		return before.endsWith("*/") || isOverload ? [] : [`${name} (line ${index + 1})`];
	});
}

const failures: string[] = [];
for (const { path } of sourceFiles()) {
	const text = readFileSync(path, "utf8");
	const body = text.startsWith("#!") ? text.slice(text.indexOf("\n") + 1) : text;
	if (!/^(\/\/|\/\*)/.test(body)) failures.push(`${path}: no header comment`);
	for (const name of undocumented(text)) failures.push(`${path}: ${name} has no docstring`);
}
for (const failure of failures) console.error(failure);
process.exitCode = failures.length === 0 ? 0 : 1;
