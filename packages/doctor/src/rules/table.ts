// All rules in one table, in the order of the report and of docs/data-doctor.md.
import type { Rule } from "../rule.ts";
import { ARM_RULES } from "./arm.ts";
import { CAMERA_RULES, OVERLAP_RULE } from "./cameras.ts";
import { EPISODE_RULES } from "./episodes.ts";
import { FILE_RULES, REFUSED_RULE } from "./files.ts";
import { ROW_RULES } from "./rows.ts";
import { STATISTICS_RULES } from "./statistics.ts";
import { TASK_RULES } from "./tasks.ts";

/** Every check of one dataset. */
export const RULES: readonly Rule[] = [
	...FILE_RULES,
	...ROW_RULES,
	...TASK_RULES,
	...STATISTICS_RULES,
	...ARM_RULES,
	...EPISODE_RULES,
	...CAMERA_RULES,
];

/** What the documentation says about each code, those that no row judges among them. */
export const RULE_TABLE: readonly Omit<Rule, "check">[] = [...RULES, OVERLAP_RULE, REFUSED_RULE];

const FIX_TEXT: Readonly<Record<Rule["fix"], string>> = {
	profile: "profile or copy",
	copy: "copy",
	quarantine: "leaves the episodes out",
	manual: "by hand",
};

/** The table of codes as Markdown, for docs/data-doctor.md. */
export function renderRuleTable(): string {
	const rows = RULE_TABLE.map(
		({ code, severity, summary, cure, fix }) =>
			`| \`${code}\` | ${severity} | ${summary} | ${cure} | ${FIX_TEXT[fix]} |`,
	);
	return ["| code | severity | what is wrong | cure | `--fix` |", "|---|---|---|---|---|", ...rows].join(
		"\n",
	);
}
