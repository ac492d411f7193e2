// The folded views of a long run beside its log, so that a server that starts again need not fold everything anew. A
// cache and nothing more: it holds for one log only, up to the line whose hash it names, and is made anew when it does
// not fit. Three lines of JSON, because the histories of all sites are large and rarely asked for.
import { type FileHandle, open, readFile } from "node:fs/promises";
import { writeFileAtomic } from "@zk0/arrays/node";
import { type RunView, runViewSchema, type SiteHistories, siteHistorySchema } from "@zk0/dashboard/views";
import { z } from "zod";
import { codeOf } from "../exit-codes.ts";
import { VERSION } from "../version.ts";

/** Where reading stands in a log. */
export interface FeedPlace {
	readonly numEvents: number;
	/** Bytes of the lines that are folded. */
	readonly offset: number;
	/** Where the last of these lines begins. */
	readonly lastLine: number;
	/** Bytes from the first to the last event of each round. */
	readonly rounds: ReadonlyMap<number, { readonly start: number; readonly end: number }>;
}

/** What a snapshot gives back. */
export interface FeedSnapshot {
	readonly place: FeedPlace;
	readonly view: RunView;
	/** The histories as they were written; parsed when they are needed, or null when they do not fit. */
	readonly histories: () => SiteHistories | null;
}

const count = z.int().nonnegative();
const headSchema = z.object({
	format: z.literal("zk0-views-1"),
	/** Another version may fold otherwise. */
	zk0: z.literal(VERSION),
	/** Hash of the last line that is folded. */
	head: z.string(),
	numEvents: count,
	offset: count,
	lastLine: count,
	rounds: z.array(z.tuple([count, count, count])),
});
const lineSchema = z.object({ hash: z.string() });
const historiesSchema = z.array(siteHistorySchema);

/** Writes the views of the log `log` to `path`. */
export async function writeFeedSnapshot(
	path: string,
	log: string,
	{ place, view, histories }: { place: FeedPlace; view: RunView; histories: SiteHistories },
): Promise<void> {
	// All three are taken in one go: what is folded while the file is written does not get into it.
	const { numEvents, offset, lastLine, rounds } = place;
	const ranges = [...rounds].map(([round, { start, end }]) => [round, start, end] as const);
	const rest = `${JSON.stringify(view)}\n${JSON.stringify([...histories.values()])}\n`;
	const head = await hashAt(log, lastLine, offset);
	if (head === null) return;
	const first = { format: "zk0-views-1", zk0: VERSION, head, numEvents, offset, lastLine, rounds: ranges };
	await writeFileAtomic(path, `${JSON.stringify(first)}\n${rest}`);
}

/** Reads the views of `log` from `path`; null: there are none, or they are of another log or version. */
export async function readFeedSnapshot(path: string, log: string): Promise<FeedSnapshot | null> {
	const [first, second, third] = (await textIfThere(path)).split("\n");
	const head = parsed(headSchema, first);
	const view = parsed(runViewSchema, second);
	if (head === null || view === null || third === undefined) return null;
	const { numEvents, offset, lastLine } = head;
	if ((await hashAt(log, lastLine, offset)) !== head.head) return null;
	const rounds = new Map(head.rounds.map(([round, start, end]) => [round, { start, end }]));
	return {
		place: { numEvents, offset, lastLine, rounds },
		view,
		histories: () => {
			const found = parsed(historiesSchema, third);
			return found === null ? null : new Map(found.map((history) => [history.site, history]));
		},
	};
}

function parsed<T>(schema: z.ZodType<T>, line: string | undefined): T | null {
	try {
		return schema.safeParse(JSON.parse(line ?? "")).data ?? null;
	} catch (error) {
		// Cut off, or no snapshot at all.
		if (error instanceof SyntaxError) return null;
		throw error;
	}
}

/** The hash of the log's line from `start` to `end`; null: there is no such line. */
async function hashAt(log: string, start: number, end: number): Promise<string | null> {
	const file = await openIfThere(log);
	if (file === undefined) return null;
	try {
		const bytes = Buffer.alloc(Math.max(0, end - start));
		const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
		return bytesRead < bytes.length ? null : (parsed(lineSchema, bytes.toString("utf8"))?.hash ?? null);
	} finally {
		await file.close();
	}
}

async function textIfThere(path: string): Promise<string> {
	try {
		return await readFile(path, "utf8");
	} catch (error) {
		if (codeOf(error) === "ENOENT") return "";
		throw error;
	}
}

/** Opens a file for reading, where there is one. */
export async function openIfThere(path: string): Promise<FileHandle | undefined> {
	try {
		return await open(path, "r");
	} catch (error) {
		if (codeOf(error) === "ENOENT") return undefined;
		throw error;
	}
}
