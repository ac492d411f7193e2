// Options that both uploads have.
import { z } from "zod";
import type { OptionTable } from "../arguments/option.ts";

/** Who may see a new repository, and under what licence. */
export const PUSH_OPTIONS = {
	public: {
		kind: "switch",
		schema: z.boolean(),
		summary: "let everybody see a repository that this creates (default: private)",
	},
	license: {
		kind: "text",
		schema: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/, "an identifier such as apache-2.0 or cc-by-4.0"),
		value: "<id>",
		summary: "license for the card, an identifier such as apache-2.0 (default: none is stated)",
	},
} satisfies OptionTable;
