// The end of a run's log, without reading the rest: how a server that keeps many finished runs starts at once. Nothing is
// verified here; `zk0 verify` does that.
import { open } from "node:fs/promises";
import { codeOf } from "@zk0/arrays";
import { type RoundEvent, roundEventSchema } from "@zk0/federation/events";
import { z } from "zod";

/** More than a line of the kinds that end a run. */
const TAIL_BYTES = 65_536;

const lineSchema = z.object({ event: roundEventSchema });

/** The last whole event, or null when there is none or it is longer than what is read. */
export async function lastEvent(path: string): Promise<RoundEvent | null> {
	try {
		await using file = await open(path);
		const { size } = await file.stat();
		const length = Math.min(size, TAIL_BYTES);
		const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
		const [line] = buffer.toString("utf8").split("\n").slice(-2, -1);
		return line === undefined ? null : parseLine(line);
	} catch (error) {
		if (codeOf(error) === "ENOENT") return null;
		throw error;
	}
}

function parseLine(line: string): RoundEvent | null {
	let json: unknown;
	try {
		json = JSON.parse(line);
	} catch (error) {
		// The beginning of the line is not in what was read.
		if (error instanceof SyntaxError) return null;
		throw error;
	}
	return lineSchema.safeParse(json).data?.event ?? null;
}
