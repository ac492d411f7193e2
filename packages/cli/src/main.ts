#!/usr/bin/env node
// The `zk0` program: hands this process to the command line and sets the exit code.

import { COMMANDS } from "./commands/index.ts";
import { processHost } from "./process-host.ts";
import { runCli } from "./run-cli.ts";
import { VERSION } from "./version.ts";

process.exitCode = await runCli(process.argv.slice(2), processHost(), {
	commands: COMMANDS,
	version: VERSION,
});
