// What an alert is: a rule that holds for a subject now, said in words, with its cure.

/** The names of the built-in rules. */
export const ALERT_RULES = [
	"site-lost",
	"round-stuck",
	"run-failed",
	"loss-diverging",
	"update-not-finite",
	"update-refused",
	"update-unusual",
	"disk-low",
	"certificate-expiring",
	"authority-ending",
] as const;

/** A rule that zk0 has built in. */
export type AlertRule = (typeof ALERT_RULES)[number];

/** How soon somebody has to look. */
export type Severity = "warning" | "critical";

/** A rule that holds now. Its identity is rule, subject and run. */
export interface Alert {
	readonly rule: AlertRule;
	/** What it is about: a site, a run, `disk`, `certificate`. */
	readonly subject: string;
	/** The run in which it holds; absent: it is not about one alone. */
	readonly run?: string;
	readonly severity: Severity;
	/** What is the case, in one sentence. */
	readonly message: string;
	/** What to do, in one sentence. */
	readonly cure: string;
}

/** An alert and since when it fires. */
export interface ActiveAlert extends Alert {
	readonly sinceMs: number;
}

/** An alert began or ended. */
export interface AlertChange {
	readonly status: "firing" | "resolved";
	readonly alert: ActiveAlert;
	readonly atMs: number;
}
