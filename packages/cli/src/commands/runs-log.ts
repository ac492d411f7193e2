// `zk0 runs log <run>`: what happened in a run, line by line, and what happens while it runs.
import { resolve } from "node:path";
import type { RoundEvent } from "@zk0/federation";
import {
	eventText,
	type RunPaths,
	readEvents,
	readRunRecord,
	readTrainingLog,
	type TrainingLine,
} from "@zk0/records";
import { z } from "zod";
import { findRun, RUN_POSITIONAL } from "../arguments/find-run.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { openLineTail } from "../network/line-tail.ts";

const POLL_MS = 500;

/** One thing that happened. */
interface LogLine {
	readonly at: string;
	readonly text: string;
	readonly event: unknown;
	/** Whether the run can have no more events, unless it is resumed. */
	readonly isEnd: boolean;
}

/** The command. */
export const runsLog = defineCommand({
	positionals: [RUN_POSITIONAL],
	options: {
		out: { ...RUN_OPTIONS.out, summary: "directory that holds the runs (default: runs)" },
		follow: {
			kind: "switch",
			schema: z.boolean(),
			summary: "go on until the run ends or Ctrl-C; with --json, then a document per event",
		},
		tail: {
			kind: "number",
			schema: z.int().min(0),
			value: "<n>",
			summary: "only the last lines of what happened so far (default: all)",
		},
	},
	examples: ["zk0 runs log latest --follow", "zk0 runs log 20261123-1244-beef --tail 20"],
	async run({ values, named, host, output }) {
		const paths = await findRun(resolve(host.cwd, values.out ?? "runs"), named["run"] ?? "");
		const read = await readerOf(paths);
		const known = await read();
		const tail = known.slice(known.length - Math.min(values.tail ?? known.length, known.length));
		const show = (line: LogLine): void =>
			output.result(line.event, () => `${line.at.slice(0, 19).replace("T", " ")}  ${line.text}`);
		if (values.follow !== true) {
			output.result({ runId: paths.id, events: tail.map(({ event }) => event) }, () =>
				tail.map((line) => `${line.at.slice(0, 19).replace("T", " ")}  ${line.text}`).join("\n"),
			);
			return;
		}
		for (const line of tail) show(line);
		let isOver = known.at(-1)?.isEnd === true;
		while (!isOver && !host.signal.aborted) {
			await new Promise((wake) => {
				setTimeout(wake, POLL_MS);
			});
			const added = await read();
			for (const line of added) show(line);
			isOver = added.at(-1)?.isEnd === true;
		}
	},
});

/** How the run's log is read: a federation's events, or a training's lines. Each call gives what is new. */
async function readerOf(paths: RunPaths): Promise<() => Promise<LogLine[]>> {
	const { training } = await readRunRecord(paths.config);
	if (training !== undefined) {
		let numSeen = 0;
		return async () => {
			const all = await readTrainingLog(paths.trainingLog);
			return all.slice(numSeen, (numSeen = all.length)).map(trainingLine);
		};
	}
	const { roundEventSchema } = await import("@zk0/federation");
	const lineSchema = z.object({ event: roundEventSchema });
	const tail = openLineTail(paths.events);
	// The history is checked once; what comes later is read from there on.
	const { events } = await readEvents(paths.events);
	let isFirst = true;
	return async () => {
		const added = await tail.read();
		const parsed = isFirst ? events : [];
		const fresh = added.slice(parsed.length).map((line) => lineSchema.parse(JSON.parse(line)).event);
		isFirst = false;
		return [...parsed, ...fresh].map(eventLine);
	};
}

function eventLine(event: RoundEvent): LogLine {
	const isEnd = event.kind === "run.completed" || event.kind === "run.failed" || event.kind === "run.stopped";
	return { at: event.at, text: eventText(event), event, isEnd };
}

function trainingLine({ at, event }: TrainingLine): LogLine {
	const { kind, ...rest } = event;
	const details = Object.entries(rest).filter(([, value]) => typeof value !== "object");
	const text = [kind, ...details.map(([name, value]) => `${name} ${value}`)].join(", ");
	return { at, text, event: { at, ...event }, isEnd: kind === "completed" || kind === "stopped" };
}
