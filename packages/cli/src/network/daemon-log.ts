// How a server or a client talks while it runs: for people on a terminal, as JSON lines (pino) everywhere else, so that
// journals and collectors can read them. `zk0 server logs` and `zk0 client logs` show those lines to people.
import { createLog, type Log } from "@zk0/monitor/log";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";

/** The forms of a log. */
export type LogForm = "text" | "json";

/** Where a daemon's words go. */
export interface DaemonLog {
	readonly form: LogForm;
	readonly log: Log;
	/** Tells a fault of this side with its stack. */
	readonly fault: (error: unknown) => void;
}

/** The log of this process. @default text on a terminal, JSON elsewhere */
export function openDaemonLog(
	role: "server" | "client",
	form: LogForm | undefined,
	{ host, output }: { readonly host: Host; readonly output: Output },
): DaemonLog {
	const chosen = form ?? (output.people?.isTTY === true ? "text" : "json");
	const log: Log =
		chosen === "json"
			? createLog({ role, write: (line) => output.people?.write(line), now: () => host.now() })
			: (level, text, { cure } = {}) => {
					const mark = level === "info" ? "" : `${level}: `;
					output.line(`${mark}${text}${typeof cure === "string" ? `; what to do: ${cure}` : ""}`);
				};
	return {
		form: chosen,
		log,
		fault: (error) => {
			const isError = error instanceof Error;
			const stack = isError ? error.stack : undefined;
			const text = `fault: ${isError ? error.message : String(error)}`;
			log("error", text, stack === undefined ? {} : { stack });
		},
	};
}
