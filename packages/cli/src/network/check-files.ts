// Whether a server's folder, and everything in it, is for its owner only.
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "../exit-codes.ts";
import type { Check } from "./server-check.ts";

/** Files looked at: a folder with more has runs by the thousand, and its own mode protects them, too. */
const MAX_FILES = 20_000;
const MAX_NAMED = 3;

/**
 * Looks at modes and owners below `dir`. While nobody else can enter it, only the `secrets` must be closed themselves,
 * too: they could be copied elsewhere with their modes.
 */
export async function checkFiles(dir: string, secrets: readonly string[]): Promise<Check> {
	const owner = process.getuid?.();
	const open: string[] = [];
	const foreign: string[] = [];
	const isEntered = ((await stat(dir)).mode & 0o077) !== 0;
	let numFiles = 0;
	for await (const path of pathsBelow(dir)) {
		if (++numFiles > MAX_FILES) break;
		const found = await statIfThere(path);
		if (found === undefined) continue;
		if ((found.mode & 0o077) !== 0 && (isEntered || secrets.includes(path))) open.push(path);
		if (owner !== undefined && found.uid !== owner) foreign.push(path);
	}
	const isGood = open.length + foreign.length === 0;
	const parts = [
		...(open.length === 0 ? [] : [`open to others: ${named(open)}`]),
		...(foreign.length === 0 ? [] : [`of another account: ${named(foreign)}`]),
	];
	return {
		name: "files",
		isGood,
		found: isGood ? `${numFiles} below ${dir}, for their owner only` : parts.join("; "),
		cure:
			foreign.length === 0
				? `chmod -R go= ${dir}`
				: `chown -R the server's account ${dir}, then chmod -R go=`,
	};
}

async function* pathsBelow(dir: string): AsyncGenerator<string> {
	yield dir;
	for (const entry of await readdir(dir, { withFileTypes: true })) {
		const path = join(dir, entry.name);
		if (entry.isDirectory()) yield* pathsBelow(path);
		else yield path;
	}
}

/** Files come and go while a server runs. */
async function statIfThere(path: string) {
	try {
		return await stat(path);
	} catch (error) {
		if (codeOf(error) === "ENOENT") return undefined;
		throw error;
	}
}

function named(paths: readonly string[]): string {
	const more = paths.length - MAX_NAMED;
	return `${paths.slice(0, MAX_NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
