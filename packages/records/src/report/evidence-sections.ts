// The parts of a report that let a reader judge it: how sure the result is, where it was made, who took part and with
// what keys, and what a verification found.
import { MISSING } from "../format.ts";
import type { RunSummary } from "../run-directory/run-summary.ts";
import type { Check } from "../verification/verify-run.ts";
import { changesOf, intervalText, percentText } from "./changes.ts";
import type { Interval } from "./interval.ts";
import type { SiteTrust } from "./site-trust.ts";
import { element, escapeMarkup } from "./svg.ts";

/** How sure the mean over sites is; empty where there is nothing to say. */
export function renderCertainty(run: RunSummary): string {
	const { loss, jointError } = changesOf(run);
	const degrees = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}°`;
	const sentence = (what: string, interval: Interval, show: (value: number) => string) =>
		`${what} ${show(interval.mean)} on the mean of ${interval.numValues} sites (${intervalText(interval, show)}, Student's t over sites).`;
	const sentences = [
		...(loss === null ? [] : [sentence("Held-out loss", loss, percentText)]),
		...(jointError === null ? [] : [sentence("Joint error", jointError, degrees)]),
	];
	return sentences.length === 0 ? "" : element("p", {}, escapeMarkup(sentences.join(" ")));
}

/** Sites, keys and refusals. */
export function renderTrust(trust: readonly SiteTrust[], privacy: string): string {
	if (trust.length === 0) return "";
	const rows = trust.map(({ site, key, numSigned, numUnsigned, numClipped, refused }) => {
		const refusals = Object.entries(refused).map(([code, count]) => `${count} × ${code}`);
		return row([
			site,
			key ?? MISSING,
			String(numSigned),
			String(numUnsigned),
			String(numClipped),
			refusals.length === 0 ? "none" : refusals.join(", "),
		]);
	});
	const head = ["site", "key", "signed updates", "not signed", "clipped", "refused"];
	return section(
		"Who took part",
		"Each site signs its updates with a key of its own; the server refuses what does not hold, and the log keeps key and signature. " +
			`Privacy: ${privacy}.`,
		table(head, rows),
	);
}

/** Programs and machine. */
export function renderEnvironment(environment: readonly (readonly [string, string])[]): string {
	const rows = environment.map(([name, value]) => row([name, value]));
	return rows.length === 0 ? "" : section("Environment", "", table(null, rows));
}

/** What `zk0 verify` found; empty when it was not asked. */
export function renderChecks(checks: readonly Check[] | null): string {
	if (checks === null) return "";
	const failed = checks.filter(({ state }) => state === "fails").length;
	const rows = checks.map(({ subject, state, detail }) =>
		row([subject, state, detail], state === "fails" ? "bad" : state === "holds" ? "good" : undefined),
	);
	const conclusion =
		failed === 0 ? "Everything that is there is what the log says." : `${failed} checks failed.`;
	return section("Verification", conclusion, table(["what", "state", "detail"], rows));
}

function section(title: string, text: string, body: string): string {
	const words = text === "" ? "" : element("p", { class: "muted" }, escapeMarkup(text));
	return element("section", {}, element("h2", {}, escapeMarkup(title)), words, body);
}

function table(head: readonly string[] | null, rows: readonly string[]): string {
	const titles = head === null ? "" : element("tr", {}, ...head.map((name) => element("th", {}, name)));
	return element("div", { class: "scroll" }, element("table", { class: "text" }, titles, ...rows));
}

function row(cells: readonly string[], tone?: "good" | "bad"): string {
	return element(
		"tr",
		{},
		...cells.map((cell, index) =>
			element("td", index === 1 && tone !== undefined ? { class: tone } : {}, escapeMarkup(cell)),
		),
	);
}
