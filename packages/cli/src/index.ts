// Public names of @zk0/cli: the program as a function, for tests and for embedding in other programs.
export { CliError, type CliErrorCode } from "./cli-error.ts";
export { COMMANDS } from "./commands/index.ts";
export { EXIT_CODES, type ExitCode, exitCodeOf } from "./exit-codes.ts";
export type { Host, TextStream } from "./host.ts";
export { processHost } from "./process-host.ts";
export { runCli } from "./run-cli.ts";
export { VERSION } from "./version.ts";
