// Every command, in the order of the help.
import type { Command } from "../command.ts";

/** The commands of zk0. */
export const COMMANDS: readonly Command[] = [];
