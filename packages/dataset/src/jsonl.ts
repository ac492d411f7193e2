// JSON Lines, the tables of LeRobotDataset v2.x: one document per line. Repeated lines count once, as an interrupted
// recording that was resumed writes them; lines that disagree are an error.
import { readFile, stat } from "node:fs/promises";
import type { z } from "zod";
import { causeText, DatasetError } from "./errors.ts";
import { isMissing } from "./layout.ts";
import { refusePointer } from "./lfs-pointer.ts";

/** Larger than the tables of 100,000 episodes with statistics; JavaScript strings end at 512 MB. */
const MAX_JSONL_BYTES = 400 * 1024 * 1024;

/**
 * The documents of `path` by the number that `keyOf` gives, in order of it; null when there is no such file.
 * @throws DatasetError "bad-json" or "bad-metadata" naming file and line.
 */
export async function readJsonLines<T>(
	path: string,
	{ schema, keyOf }: { readonly schema: z.ZodType<T>; readonly keyOf: (value: T) => number },
	signal?: AbortSignal,
): Promise<ReadonlyMap<number, T> | null> {
	const text = await readText(path, signal);
	if (text === null) return null;
	await refusePointer(path);
	const found = new Map<number, { readonly value: T; readonly line: number }>();
	for (const [index, content] of text.split("\n").entries()) {
		if (content.trim() === "") continue;
		const line = index + 1;
		const parsed = schema.safeParse(parseLine(path, line, content));
		if (!parsed.success) {
			const issues = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
			throw new DatasetError(
				"bad-metadata",
				`${path}:${line} is not an entry of this table: ${issues.join("; ")}; download it again`,
				{ file: path, cause: parsed.error },
			);
		}
		const key = keyOf(parsed.data);
		const before = found.get(key);
		if (before === undefined) found.set(key, { value: parsed.data, line });
		else if (JSON.stringify(before.value) !== JSON.stringify(parsed.data)) {
			throw new DatasetError(
				"bad-metadata",
				`${path}: lines ${before.line} and ${line} both describe number ${key} but differ; remove the wrong one`,
				{ file: path },
			);
		}
	}
	return new Map([...found].sort(([a], [b]) => a - b).map(([key, { value }]) => [key, value]));
}

async function readText(path: string, signal: AbortSignal | undefined): Promise<string | null> {
	try {
		const { size } = await stat(path);
		if (size > MAX_JSONL_BYTES) throw new RangeError(`it has ${size} bytes, at most ${MAX_JSONL_BYTES}`);
		const text = await readFile(path, { encoding: "utf8", ...(signal && { signal }) });
		return text.replace(/^\uFEFF/, "");
	} catch (cause) {
		signal?.throwIfAborted();
		if (isMissing(cause)) return null;
		throw badLine(path, cause);
	}
}

function parseLine(path: string, line: number, content: string): unknown {
	try {
		return JSON.parse(content);
	} catch (cause) {
		throw badLine(`${path}:${line}`, cause, path);
	}
}

function badLine(place: string, cause: unknown, file = place): DatasetError {
	return new DatasetError(
		"bad-json",
		`${place} cannot be read: ${causeText(cause)}; download or copy it again`,
		{ file, cause },
	);
}
