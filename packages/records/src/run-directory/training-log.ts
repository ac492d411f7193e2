// The log of a training without a federation: one JSON line per thing that people want to know afterwards. The truth
// about the weights is in the checkpoints; a last line that a crash tore is left out.
import { appendFile, readFile } from "node:fs/promises";
import { codeOf } from "@zk0/arrays";
import { z } from "zod";
import { RecordsError } from "../errors.ts";

const step = z.int().nonnegative();
const metrics = z.record(z.string(), z.number().nullable());

const eventSchema = z.discriminatedUnion("kind", [
	/** Held-out figures: before the first step (0) or after the last. */
	z.object({ kind: z.literal("evaluated"), step, loss: z.number().nullable(), metrics: metrics.nullable() }),
	z.object({ kind: z.literal("saved"), step, loss: z.number() }),
	z.object({
		kind: z.literal("micro-batch-shrunk"),
		from: z.int(),
		to: z.int(),
		why: z.string(),
	}),
	z.object({ kind: z.literal("resumed"), step }),
	z.object({ kind: z.literal("stopped"), step }),
	z.object({ kind: z.literal("completed"), step, modelSha256: z.string() }),
]);

/** Something that happened in a training. */
export type TrainingEvent = z.infer<typeof eventSchema>;

const lineSchema = z.object({ at: z.iso.datetime(), event: eventSchema });

/** An event with its time. */
export type TrainingLine = z.infer<typeof lineSchema>;

/** The log of a training that is going on. */
export interface TrainingLog {
	append(event: TrainingEvent): Promise<void>;
	/** @throws as `readTrainingLog` */
	read(): Promise<readonly TrainingLine[]>;
}

/** Opens the log at `path`; it is made at the first line. `now` is the time in milliseconds. */
export function openTrainingLog(path: string, now: () => number): TrainingLog {
	return {
		async append(event) {
			const text = await readText(path);
			// A torn line ends here; it is told from whole ones by its missing newline.
			const separator = text === "" || text.endsWith("\n") ? "" : "\n";
			const line = JSON.stringify({ at: new Date(now()).toISOString(), event });
			await appendFile(path, `${separator}${line}\n`);
		},
		read: () => readTrainingLog(path),
	};
}

/** The lines of a log in order; none before its first. @throws RecordsError "run-damaged" for a line of another version */
export async function readTrainingLog(path: string): Promise<readonly TrainingLine[]> {
	const lines = (await readText(path)).split("\n").filter((line) => line !== "");
	return lines.flatMap((line) => parseLine(line, path));
}

async function readText(path: string): Promise<string> {
	try {
		return await readFile(path, "utf8");
	} catch (error) {
		if (codeOf(error) === "ENOENT") return "";
		throw error;
	}
}

function parseLine(line: string, path: string): TrainingLine[] {
	let json: unknown;
	try {
		json = JSON.parse(line);
	} catch (error) {
		if (error instanceof SyntaxError) return [];
		throw error;
	}
	const parsed = lineSchema.safeParse(json);
	if (parsed.success) return [parsed.data];
	throw new RecordsError(
		"run-damaged",
		`${path} has a line that is not of this version; read it with the version of zk0 that config.json names`,
		{ cause: parsed.error },
	);
}

/** How a training stands. */
export interface TrainingSummary {
	readonly status: "running" | "stopped" | "completed";
	/** Steps in the last checkpoint, or all of them. */
	readonly steps: number;
	readonly initialLoss: number | null;
	readonly finalLoss: number | null;
	readonly modelSha256: string | null;
	readonly startedAt: string | null;
	readonly endedAt: string | null;
	/** What people should know of, in order. */
	readonly incidents: readonly { readonly at: string; readonly text: string }[];
}

/** Folds a log. */
export function summarizeTraining(lines: readonly TrainingLine[]): TrainingSummary {
	const events = lines.map(({ event }) => event);
	const last = events.at(-1);
	const evaluations = events.filter((event) => event.kind === "evaluated");
	const completed = events.find((event) => event.kind === "completed");
	const steps = events.map((event) =>
		event.kind === "saved" || event.kind === "completed" ? event.step : 0,
	);
	return {
		status: completed !== undefined ? "completed" : last?.kind === "stopped" ? "stopped" : "running",
		steps: Math.max(0, ...steps),
		initialLoss: evaluations.find((event) => event.step === 0)?.loss ?? null,
		finalLoss: evaluations.findLast((event) => event.step > 0)?.loss ?? null,
		modelSha256: completed?.modelSha256 ?? null,
		startedAt: lines[0]?.at ?? null,
		endedAt: lines.at(-1)?.at ?? null,
		incidents: lines.flatMap(({ at, event }) => {
			const text = incidentOf(event);
			return text === null ? [] : [{ at, text }];
		}),
	};
}

/** One line about an event that people should know of, or null for business as usual. */
export function incidentOf(event: TrainingEvent): string | null {
	switch (event.kind) {
		case "micro-batch-shrunk":
			return `micro-batch ${event.from} → ${event.to}, the batch stays: ${event.why}`;
		case "resumed":
			return `resumed after step ${event.step}`;
		case "stopped":
			return `stopped after step ${event.step}`;
		case "evaluated":
		case "saved":
		case "completed":
			break;
	}
	return null;
}
