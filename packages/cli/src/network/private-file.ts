// Small files with secrets or settings: written whole, readable by their owner only, checked when read.
import { chmod, readFile, rename, writeFile } from "node:fs/promises";
import type { z } from "zod";
import { CliError } from "../cli-error.ts";
import { codeOf } from "../exit-codes.ts";

/** Writes a file that only its owner may read; it appears whole. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
	const temporary = `${path}.${process.pid}.part`;
	await writeFile(temporary, text, { mode: 0o600 });
	await chmod(temporary, 0o600);
	await rename(temporary, path);
}

/** Writes a value as JSON; see `writePrivateFile`. */
export function writePrivateJson(path: string, value: unknown): Promise<void> {
	return writePrivateFile(path, `${JSON.stringify(value, undefined, "\t")}\n`);
}

/** A file's text, or undefined when it is not there. */
export async function readIfThere(path: string): Promise<string | undefined> {
	try {
		return await readFile(path, "utf8");
	} catch (error) {
		if (codeOf(error) === "ENOENT") return undefined;
		throw error;
	}
}

/** A JSON file's content, or undefined when it is not there. @throws CliError "state-damaged" */
export async function readJsonFile<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
	const text = await readIfThere(path);
	if (text === undefined) return undefined;
	try {
		return schema.parse(JSON.parse(text));
	} catch (cause) {
		throw new CliError("state-damaged", `${path} is not what this version of zk0 writes`, {
			cure: "restore the file, or use another --state folder",
			cause,
		});
	}
}
