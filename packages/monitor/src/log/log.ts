// Structured logs: one JSON object a line (pino), with what belongs together under one correlation id: run/round/site. Server
// and client build the same id, so their logs can be joined by it.
import { pino } from "pino";
import { z } from "zod";

/** How important a line is. */
export type LogLevel = "info" | "warn" | "error";

/** What a line is about. */
export interface LogFields {
	readonly run?: string | undefined;
	readonly round?: number | undefined;
	readonly site?: string | undefined;
	/** Name of what happened, for programs: `update.received`, `alert.firing`. */
	readonly event?: string | undefined;
	/** More facts; no secrets. */
	readonly [key: string]: unknown;
}

/** A log. */
export type Log = (level: LogLevel, text: string, fields?: LogFields) => void;

/** A log of `role` ("server", "client") that writes lines to `write`. */
export function createLog(options: {
	readonly role: string;
	readonly write: (line: string) => void;
	readonly now: () => number;
}): Log {
	const { role, write, now } = options;
	const logger = pino(
		{
			base: { role },
			timestamp: () => `,"time":"${new Date(now()).toISOString()}"`,
			formatters: { level: (level) => ({ level }) },
		},
		{ write },
	);
	return (level, text, fields = {}) => {
		const { run, round, site } = fields;
		const id = correlationId(run, round, site);
		logger[level]({ ...(id === "" ? {} : { id }), ...fields }, text);
	};
}

/** `run/round/site`, as far as they are known. */
export function correlationId(run?: string, round?: number, site?: string): string {
	const parts = run === undefined ? [site] : [run, ...(round === undefined ? [] : [round]), site];
	return parts.filter((part) => part !== undefined).join("/");
}

const lineSchema = z.looseObject({
	level: z.enum(["info", "warn", "error"]),
	time: z.iso.datetime(),
	msg: z.string(),
	id: z.string().optional(),
	cure: z.string().optional(),
	stack: z.string().optional(),
});

/** A line of a log as people read it; what is no line of ours (a crash's last words) as it is. */
export function renderLogLine(line: string): string {
	const found = parseLine(line);
	if (found === undefined) return line;
	const { level, time, msg, id, cure, stack } = found;
	const mark = level === "info" ? "" : `${level}: `;
	const about = id === undefined ? "" : ` [${id}]`;
	const what = cure === undefined ? "" : `; what to do: ${cure}`;
	const at = `${time.slice(0, 10)} ${time.slice(11, 19)}`;
	return `${at}${about} ${mark}${msg}${what}${stack === undefined ? "" : `\n${stack}`}`;
}

function parseLine(line: string): z.infer<typeof lineSchema> | undefined {
	if (!line.startsWith("{")) return undefined;
	try {
		return lineSchema.safeParse(JSON.parse(line)).data;
	} catch (error) {
		// Not JSON, so not ours.
		if (error instanceof SyntaxError) return undefined;
		throw error;
	}
}
