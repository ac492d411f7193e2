// `zk0 server logs` and `zk0 client logs`: the end of a background process's log, and what is added to it.
import { z } from "zod";
import { type Command, defineCommand } from "../command.ts";
import type { Host } from "../host.ts";
import { followLog, tailOf } from "../network/daemon.ts";
import { STATE_OPTION } from "../network/home.ts";
import type { Output } from "../output.ts";

/** The options of every such command. */
export const LOG_OPTIONS = {
	state: STATE_OPTION,
	follow: {
		kind: "switch",
		schema: z.boolean(),
		summary: "go on showing what is added, until Ctrl-C",
	},
} as const;

/** Shows the end of a log, and with `follow` what is added. */
export async function showLog(
	log: string,
	follow: boolean,
	{ host, output }: { readonly host: Host; readonly output: Output },
): Promise<void> {
	const lines = await tailOf(log);
	const { renderLogLine } = await import("@zk0/monitor/log");
	output.result({ lines }, () =>
		lines.length === 0 ? `nothing was logged yet (${log})` : lines.map(renderLogLine).join("\n"),
	);
	if (!follow) return;
	for await (const line of followLog(log, host.signal)) output.line(renderLogLine(line));
}

/** The command of one role; `logOf` names the log below the state folder that `--state` gives. */
export function logsCommand(logOf: (host: Host, state: string | undefined) => string): Command {
	return defineCommand({
		options: LOG_OPTIONS,
		run: ({ values, host, output }) =>
			showLog(logOf(host, values.state), values.follow === true, { host, output }),
	});
}
