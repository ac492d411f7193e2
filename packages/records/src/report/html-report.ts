// report.html: everything about a run on one page that needs no network, no script and no other file.
import { formatBytes, formatChange, formatDuration, formatLoss, MISSING } from "../format.ts";
import { type LocalAgainstJoint, localAgainstJoint } from "../run-directory/local-weights.ts";
import type { RunSummary } from "../run-directory/run-summary.ts";
import type { Check } from "../verification/verify-run.ts";
import { renderCertainty, renderChecks, renderEnvironment, renderTrust } from "./evidence-sections.ts";
import { jointRows, renderJointChart } from "./joint-errors.ts";
import { renderLossChart } from "./loss-chart.ts";
import { type Preview, renderPreview } from "./preview.ts";
import { REPORT_CSS } from "./report-css.ts";
import { renderSimilaritySection } from "./similarity-section.ts";
import type { SiteTrust } from "./site-trust.ts";
import { element, escapeMarkup } from "./svg.ts";
import { seriesColour } from "./theme.ts";
import { renderTimelineChart } from "./timeline-chart.ts";
import { renderTrafficChart } from "./traffic-chart.ts";

/** What a report is made of. */
export interface ReportInput {
	readonly run: RunSummary;
	readonly previews: readonly Preview[];
	/** Settings shown at the end, name to value. */
	readonly settings: readonly (readonly [string, string])[];
	/** Hash of the final global model, or null when there is none yet. */
	readonly modelSha256: string | null;
	readonly trust: readonly SiteTrust[];
	/** What the run did for privacy. */
	readonly privacy: string;
	/** Programs and machine, name to value. */
	readonly environment: readonly (readonly [string, string])[];
	/** What a verification found; null when none was made. */
	readonly checks: readonly Check[] | null;
}

/** The page. */
export function renderReport(input: ReportInput): string {
	const { run } = input;
	const title = `Federated run ${run.runId ?? ""}`.trim();
	const body = [
		renderHeader(title, run),
		renderFigures(run),
		renderLossSection(run),
		renderJointSection(run),
		element(
			"div",
			{ class: "pair" },
			renderChartCard("Bytes moved", renderTrafficChart(run)),
			renderChartCard("Timings", renderTimelineChart(run)),
		),
		renderPreviews(input.previews),
		renderIncidents(run),
		renderSimilaritySection(run),
		renderTrust(input.trust, input.privacy),
		renderChecks(input.checks),
		renderEnvironment(input.environment),
		renderSettings(input),
	];
	return [
		"<!doctype html>",
		'<html lang="en"><head><meta charset="utf-8">',
		'<meta name="viewport" content="width=device-width,initial-scale=1">',
		`<title>${escapeMarkup(title)}</title><style>${REPORT_CSS}</style></head>`,
		element("body", {}, element("main", {}, ...body)),
		"</html>",
		"",
	].join("\n");
}

function renderHeader(title: string, run: RunSummary): string {
	const started = run.startedAt === null ? "" : ` · ${run.startedAt.slice(0, 16).replace("T", " ")} UTC`;
	const strategy = run.strategy ?? MISSING;
	const facts = `${run.sites.length} sites · ${strategy} · ${run.numRounds ?? MISSING} rounds of ${run.numLocalSteps ?? MISSING} steps · seed ${run.seed ?? MISSING}${started}`;
	const status = run.status === "completed" ? "" : ` · ${run.status}`;
	return element(
		"header",
		{},
		element("h1", {}, escapeMarkup(title)),
		element("p", {}, escapeMarkup(facts + status)),
	);
}

function figure(value: string, name: string, note = "", tone?: "good" | "bad"): string {
	return element(
		"div",
		{ class: "figure" },
		element("b", tone === undefined ? {} : { class: tone }, escapeMarkup(value)),
		element(
			"span",
			{},
			escapeMarkup(name),
			note === "" ? "" : element("span", { class: "note" }, escapeMarkup(note)),
		),
	);
}

function siteChange(run: RunSummary, site: string): { first: number | null; last: number | null } {
	const first = run.rounds.find(({ round }) => round === 0)?.sites[site]?.heldOutLoss ?? null;
	const last = run.rounds.at(-1)?.sites[site]?.heldOutLoss ?? null;
	return { first, last };
}

function renderFigures(run: RunSummary): string {
	const { initialLoss, finalLoss } = run;
	const fell = initialLoss !== null && finalLoss !== null ? finalLoss < initialLoss : undefined;
	const tone = fell === undefined ? undefined : fell ? "good" : "bad";
	const changes = run.sites.map((site) => siteChange(run, site));
	const improved = changes.filter(
		({ first, last }) => first !== null && last !== null && last < first,
	).length;
	return element(
		"div",
		{ class: "figures" },
		figure(
			formatChange(initialLoss, finalLoss),
			"held-out loss",
			`${formatLoss(initialLoss)} → ${formatLoss(finalLoss)}`,
			tone,
		),
		figure(`${improved} of ${run.sites.length}`, "sites below their round 0"),
		figure(formatBytes(run.bytesUp), "sent by the sites", `${formatBytes(run.bytesDown)} received`),
		figure(formatDuration(run.seconds === null ? null : run.seconds * 1000), "of work"),
	);
}

function renderLossSection(run: RunSummary): string {
	const chart = renderLossChart(run) ?? element("p", { class: "muted" }, "No loss was measured yet.");
	const errors = jointRows(run).filter(({ joint }) => !/gripper/i.test(joint));
	const meanError = (site: string, pick: "first" | "last"): string => {
		const values = errors.flatMap(({ sites }) =>
			sites.filter((one) => one.site === site).map((one) => one[pick]),
		);
		return values.length === 0
			? MISSING
			: `${(values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(1)}°`;
	};
	const local = run.sites.map((site) => localAgainstJoint(run, site));
	const isLocalMeasured = local.some((one) => one !== null);
	const rows = run.sites.map((site, index) => {
		const { first, last } = siteChange(run, site);
		const samples = run.rounds.reduce((sum, round) => sum + (round.sites[site]?.numSamples ?? 0), 0);
		const tone = first !== null && last !== null ? (last < first ? "good" : "bad") : "";
		const swatch = element("i", { class: "swatch", style: `background:${seriesColour(index)}` });
		return element(
			"tr",
			{},
			element("td", {}, swatch, escapeMarkup(site)),
			element("td", {}, formatLoss(first)),
			element("td", {}, formatLoss(last)),
			element("td", { class: tone }, formatChange(first, last)),
			...(isLocalMeasured ? localCells(local[index] ?? null) : []),
			element("td", {}, meanError(site, "first")),
			element("td", {}, meanError(site, "last")),
			element("td", {}, samples.toLocaleString("en")),
		);
	});
	const head = [
		"site",
		"loss, round 0",
		"loss, now",
		"change",
		...(isLocalMeasured ? ["loss, own weights", "shared against own"] : []),
		"error, round 0",
		"error, now",
		"samples trained",
	];
	return element(
		"section",
		{},
		element("h2", {}, "Held-out loss"),
		element(
			"p",
			{ class: "muted" },
			"Flow-matching loss on episodes that no site trains on, with the same noise in every round. ",
			"Losses are in each site's own units: compare rounds, not sites. Errors in degrees compare sites.",
		),
		renderCertainty(run),
		renderLocalGain(local),
		chart,
		element(
			"div",
			{ class: "scroll" },
			element("table", {}, element("tr", {}, ...head.map((name) => element("th", {}, name))), ...rows),
		),
	);
}

function isGain({ local, joint }: LocalAgainstJoint): boolean {
	return joint < local;
}

function localCells(found: LocalAgainstJoint | null): string[] {
	if (found === null) return [element("td", {}, MISSING), element("td", {}, MISSING)];
	const { local, joint } = found;
	return [
		element("td", {}, formatLoss(local)),
		element("td", { class: isGain(found) ? "good" : "bad" }, formatChange(local, joint)),
	];
}

/** What the sites have of it; empty when they did not measure their own weights. */
function renderLocalGain(local: readonly (LocalAgainstJoint | null)[]): string {
	const found = local.filter((one) => one !== null);
	if (found.length === 0) return "";
	const text =
		`At ${found.filter(isGain).length} of ${found.length} sites the shared weights do better on what the site holds out than its ` +
		"own weights of the same round, which it had just trained from those of the round before.";
	return element("p", {}, text);
}

function renderJointSection(run: RunSummary): string {
	const chart = renderJointChart(run);
	if (chart === null) return "";
	return element(
		"section",
		{},
		element("h2", {}, "Held-out error per joint"),
		element(
			"p",
			{ class: "muted" },
			"Mean distance between sampled and recorded actions (gripper: percent of its opening).",
		),
		chart,
	);
}

function renderChartCard(title: string, chart: string | null): string {
	const body = chart ?? element("p", { class: "muted" }, "Nothing was measured yet.");
	return element("section", {}, element("h2", {}, title), body);
}

function renderPreviews(previews: readonly Preview[]): string {
	if (previews.length === 0) return "";
	const key =
		'<p class="muted key"><span><i class="recorded-key"></i>recorded</span><span><i class="predicted-key"></i>predicted</span></p>';
	return element(
		"section",
		{ class: "previews" },
		element("h2", {}, "Held-out frames"),
		element("p", { class: "muted" }, "What the demonstrator did next, and what the final model would do."),
		key,
		...previews.map(renderPreview),
	);
}

function renderIncidents(run: RunSummary): string {
	if (run.incidents.length === 0) return "";
	const items = run.incidents.map(({ at, text }) =>
		element("li", {}, escapeMarkup(`${at.slice(11, 19)} ${text}`)),
	);
	return element(
		"section",
		{},
		element("h2", {}, "Incidents"),
		element("ol", { class: "incidents" }, ...items),
	);
}

function renderSettings({ settings, modelSha256 }: ReportInput): string {
	const rows = settings.map(([name, value]) =>
		element(
			"tr",
			{},
			element("td", {}, escapeMarkup(name)),
			element("td", { class: "wrap" }, element("code", {}, escapeMarkup(value))),
		),
	);
	const hash =
		modelSha256 === null
			? ""
			: element("p", {}, "Global model, SHA-256: ", element("code", {}, escapeMarkup(modelSha256)));
	return element(
		"section",
		{},
		hash,
		element(
			"details",
			{},
			element("summary", {}, "Settings"),
			element("div", { class: "scroll" }, element("table", {}, ...rows)),
		),
	);
}
