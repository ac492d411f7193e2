// One row per option: how its flag is written, what values it takes, what it means. The same row checks the flag
// on the command line, the variable of the environment and the key in a configuration file, and prints the help.
import type { z } from "zod";

/** How the text after a flag becomes a value. */
export type OptionKind =
	/** `--out runs` */
	| "text"
	/** `--rounds 5` */
	| "number"
	/** `--quiet`, `--no-quiet` */
	| "switch"
	/** `--data kitchen=sim:push-blue-left`, repeatable; collected in a record */
	| "pairs";

/** A row of an option table; the table's key is its camelCase name. */
export interface OptionSpec<T = unknown> {
	readonly kind: OptionKind;
	/** Checks the value, whether it came from a flag or from JSON. */
	readonly schema: z.ZodType<T>;
	/** What stands for the value in the help, e.g. `<n>`; absent for switches. */
	readonly value?: string;
	readonly summary: string;
	/** May also come from the environment, as `variableOf` names it. */
	readonly isSetting?: true;
}

/** Options by camelCase name, in the order of the help. */
export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** The values of a table's options; absent where the option was not given. */
export type OptionValues<O extends OptionTable> = {
	readonly [K in keyof O]?: O[K] extends OptionSpec<infer T> ? T : never;
};

/** The flag of an option: `localSteps` is `--local-steps`. */
export function flagOf(key: string): string {
	return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The environment variable of a setting: `localSteps` is `ZK0_LOCAL_STEPS`. */
export function variableOf(key: string): string {
	return `ZK0_${key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}
