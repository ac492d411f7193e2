// Every command, in the order of the help.
import type { Command } from "../command.ts";
import { dataSynth } from "./data-synth.ts";
import { runsList } from "./runs-list.ts";
import { runsShow } from "./runs-show.ts";

/** The commands of zk0. */
export const COMMANDS: readonly Command[] = [dataSynth, runsList, runsShow];
