// How the sites' updates of the last round lie to each other: norms and cosines as a table, and who ever pulled away.
import { MISSING } from "../format.ts";
import type { RoundSummary, RunSummary } from "../run-directory/run-summary.ts";
import { element, escapeMarkup } from "./svg.ts";

/** Below this a site pulls away from the others: the limit of the alert about unusual updates. */
const AWAY = -0.2;

/** The section; empty where no updates were compared. */
export function renderSimilaritySection(run: RunSummary): string {
	const last = run.rounds.findLast(({ comparison }) => comparison !== null);
	const comparison = last?.comparison ?? null;
	if (last === undefined || comparison === null) return "";
	const { sites, cosines, numElements, numTotal } = comparison;
	const head = ["site", "norm", "cosine with the others' mean", ...(cosines === null ? [] : sites)];
	const rows = sites.map((site, index) => {
		const { updateNorm = null, updateAlignment = null } = last.sites[site] ?? {};
		const pairs = cosines === null ? [] : sites.map((_, other) => cosineOf(cosines, index, other));
		const norm = updateNorm === null ? MISSING : updateNorm.toPrecision(3);
		return element(
			"tr",
			{},
			...[site, norm].map((text) => element("td", {}, escapeMarkup(text))),
			...[updateAlignment, ...pairs].map(renderCosine),
		);
	});
	const seen =
		numElements === numTotal
			? "all trained numbers"
			: `${numElements.toLocaleString("en")} of ${numTotal.toLocaleString("en")} trained numbers, spread over all tensors`;
	const text =
		"The cosine between what two sites changed: 1 the same direction, 0 nothing in common, below 0 against each other. " +
		`Round ${last.round}, from ${seen}. ${awayText(run.rounds)}`;
	return element(
		"section",
		{},
		element("h2", {}, "How the updates lie to each other"),
		element("p", { class: "muted" }, escapeMarkup(text)),
		element(
			"div",
			{ class: "scroll" },
			element(
				"table",
				{},
				element("tr", {}, ...head.map((name) => element("th", {}, escapeMarkup(name)))),
				...rows,
			),
		),
	);
}

function cosineOf(
	cosines: readonly (readonly (number | null)[])[],
	index: number,
	other: number,
): number | null {
	if (index === other) return 1;
	return cosines[Math.max(index, other)]?.[Math.min(index, other)] ?? null;
}

function renderCosine(value: number | null): string {
	return element("td", value !== null && value < AWAY ? { class: "bad" } : {}, formatCosine(value));
}

function formatCosine(value: number | null): string {
	return value === null ? MISSING : value.toFixed(2).replace("-", "−");
}

function awayText(rounds: readonly RoundSummary[]): string {
	const away = rounds.flatMap(({ round, sites }) =>
		Object.entries(sites).flatMap(([site, { updateAlignment: value }]) =>
			value !== null && value < AWAY ? [`${site} in round ${round} (${formatCosine(value)})`] : [],
		),
	);
	if (away.length === 0) return "In no round did a site pull away from the others.";
	const more = away.length > 10 ? ` and ${away.length - 10} more` : "";
	return `Pulled away from the others: ${away.slice(0, 10).join(", ")}${more}.`;
}
