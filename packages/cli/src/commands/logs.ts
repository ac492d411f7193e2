// `zk0 server logs` and `zk0 client logs`: the end of a background process's log, and what is added to it.
import { z } from "zod";
import { type Command, defineCommand } from "../command.ts";
import type { Host } from "../host.ts";
import { followLog, tailOf } from "../network/daemon.ts";
import { STATE_OPTION } from "../network/home.ts";

/** The command of one role; `logOf` names the log below the state folder that `--state` gives. */
export function logsCommand(logOf: (host: Host, state: string | undefined) => string): Command {
	return defineCommand({
		options: {
			state: STATE_OPTION,
			follow: {
				kind: "switch",
				schema: z.boolean(),
				summary: "go on showing what is added, until Ctrl-C",
			},
		},
		async run({ values, host, output }) {
			const log = logOf(host, values.state);
			const lines = await tailOf(log);
			const { renderLogLine } = await import("@zk0/monitor/log");
			output.result({ lines }, () => lines.map(renderLogLine).join("\n"));
			if (values.follow !== true) return;
			for await (const line of followLog(log, host.signal)) output.line(renderLogLine(line));
		},
	});
}
