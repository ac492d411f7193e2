// JSON files of a checkpoint, parsed by a schema; every failure names the file.

import { readFile } from "node:fs/promises";
import { codeOf } from "@zk0/arrays";
import type { z } from "zod";
import { PolicyError } from "../errors.ts";

function isMissingFile(error: unknown): boolean {
	return codeOf(error) === "ENOENT";
}

/** The file's JSON, or undefined when there is no such file. @throws PolicyError bad-checkpoint when it is not JSON */
export async function readOptionalJson(path: string): Promise<unknown> {
	let text: string;
	try {
		text = await readFile(path, "utf8");
	} catch (cause) {
		if (isMissingFile(cause)) return undefined;
		throw new PolicyError("bad-checkpoint", "the file cannot be read", { cause, path });
	}
	try {
		return JSON.parse(text);
	} catch (cause) {
		throw new PolicyError("bad-checkpoint", "the file is not JSON", { cause, path });
	}
}

/** The file's JSON. @throws PolicyError bad-checkpoint when it is absent or not JSON */
export async function readJson(path: string): Promise<unknown> {
	const json = await readOptionalJson(path);
	if (json === undefined) {
		throw new PolicyError("bad-checkpoint", "the file is missing; copy the checkpoint directory whole", {
			path,
		});
	}
	return json;
}

/** `json` as the schema wants it. @throws PolicyError bad-checkpoint that names the file */
export function parseFile<T>(schema: z.ZodType<T>, json: unknown, path: string): T {
	const result = schema.safeParse(json);
	if (!result.success) {
		throw new PolicyError("bad-checkpoint", result.error.message, { cause: result.error, path });
	}
	return result.data;
}
