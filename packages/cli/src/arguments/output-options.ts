// The options that every command has.
import { z } from "zod";
import type { OptionTable } from "./option.ts";

/** How a command reports. */
export const OUTPUT_OPTIONS = {
	json: {
		kind: "switch",
		schema: z.boolean(),
		summary: "print one JSON document as the last line of stdout; progress goes to stderr",
	},
	quiet: { kind: "switch", schema: z.boolean(), summary: "no progress and no summary; errors still show" },
	verbose: { kind: "switch", schema: z.boolean(), summary: "with an error, show its chain of causes" },
	help: { kind: "switch", schema: z.boolean(), summary: "show this help" },
} satisfies OptionTable;
