// The option that names a configuration file.
import { z } from "zod";
import type { OptionSpec } from "../arguments/option.ts";

/** `--config`, or ZK0_CONFIG. */
export const CONFIG_OPTION = {
	kind: "text",
	schema: z.string().min(1),
	value: "<file>",
	summary: "the configuration file (default: none)",
	isSetting: true,
} as const satisfies OptionSpec;
