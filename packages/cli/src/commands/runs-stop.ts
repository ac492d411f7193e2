// `zk0 runs stop <run>`: ends the process that works on a run, as Ctrl-C would.
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, resolve } from "node:path";
import { isProcessAlive } from "@zk0/arrays/node";
import { holderOf, runPaths } from "@zk0/records";
import { z } from "zod";
import { findRun, RUN_POSITIONAL } from "../arguments/find-run.ts";
import { CliError } from "../cli-error.ts";
import { defineCommand } from "../command.ts";
import { RUN_OPTIONS } from "../config/run-options.ts";
import { callAdmin } from "../network/admin-client.ts";
import { askToStop } from "../network/daemon.ts";
import { STATE_OPTION, serverHome } from "../network/home.ts";

const POLL_MS = 100;
/** A step and a checkpoint at full size end within this time. */
const PATIENCE_MS = 120_000;

/** The command. */
export const runsStop = defineCommand({
	positionals: [RUN_POSITIONAL],
	options: {
		out: { ...RUN_OPTIONS.out, summary: "directory that holds the runs (default: runs, or the server's)" },
		state: STATE_OPTION,
	},
	notes: ["What is finished is kept: `zk0 runs resume` goes on to the same weights as without the break."],
	examples: ["zk0 runs stop latest"],
	async run({ values, named, host, output }) {
		const home = serverHome(host, values.state);
		const word = named["run"] ?? "";
		const isServers =
			values.state !== undefined || (word !== "" && existsSync(runPaths(home.runs, word).root));
		if (values.out === undefined && isServers) {
			const { id: runId } = await findRun(home.runs, word);
			await callAdmin(
				home,
				{ method: "POST", path: "/runs/stop", body: { runId } },
				z.object({}),
				host.signal,
			);
			output.result({ runId }, () => `stopped ${runId}; go on with: zk0 run --resume ${runId}`);
			return;
		}
		const paths = await findRun(resolve(host.cwd, values.out ?? "runs"), word);
		// A folder of runs beside a server's settings is that server's, whatever its state folder is called.
		const state = dirname(dirname(paths.root));
		if (existsSync(serverHome(host, state).settings)) {
			throw new CliError("run-in-use", `${paths.id} is the server's`, {
				cure: `zk0 runs stop ${paths.id} --state ${state}`,
			});
		}
		const holder = await holderOf(paths.lock);
		if (holder === undefined) {
			throw new CliError("not-running", `nothing works on ${paths.id}`, {
				cure: `go on with it: zk0 runs resume ${paths.id}`,
			});
		}
		if (holder.host !== hostname()) {
			throw new CliError(
				"run-in-use",
				`${paths.id} is worked on by process ${holder.pid} of ${holder.host}`,
				{
					cure: `stop it there, or delete ${paths.lock} if there is no such process`,
				},
			);
		}
		askToStop(holder.pid);
		const endsAtMs = host.now() + PATIENCE_MS;
		while (isProcessAlive(holder.pid) && host.now() < endsAtMs && !host.signal.aborted) {
			await new Promise((wake) => {
				setTimeout(wake, POLL_MS);
			});
		}
		if (isProcessAlive(holder.pid)) {
			throw new CliError("run-in-use", `process ${holder.pid} is still finishing its step`, {
				cure: "ask again, or end it with kill -9: nothing is lost but the step under way",
			});
		}
		output.result(
			{ runId: paths.id, pid: holder.pid },
			() => `stopped ${paths.id}; go on with: zk0 runs resume ${paths.id}`,
		);
	},
});
