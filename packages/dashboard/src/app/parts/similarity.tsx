// How the updates of a round lie to each other: a table of cosines, and the same in a sentence.
import type { RoundView, Similarity } from "@zk0/dashboard/views";
import { HeatTable } from "../charts/heat-table.tsx";
import { formatCount } from "../format.ts";
import { Empty } from "./card.tsx";

/** Below this a site pulls away from the others: the limit of the alert about unusual updates. */
const AWAY = -0.2;

/** The table with its sentence. */
export function SimilarityTable({ similarity, parts }: Pick<RoundView, "similarity" | "parts">) {
	if (similarity === null) return <Empty>Measured when the round is aggregated</Empty>;
	const { sites, cosines } = similarity;
	return (
		<>
			<p class="quiet">{summaryOf(similarity, parts)}</p>
			{cosines === null ? (
				<p class="quiet">
					With {sites.length} sites the pairs are left out; the cosine with the others is beside each update.
				</p>
			) : (
				sites.length > 1 && (
					<HeatTable
						label="Cosine between the updates of each two sites"
						corner="Site"
						columns={sites}
						rows={sites.map((name, row) => ({
							name,
							values: sites.map((_, column) =>
								row === column ? 1 : (cosines[Math.max(row, column)]?.[Math.min(row, column)] ?? null),
							),
						}))}
						format={formatCosine}
						range={[-1, 1]}
						isTwoSided
					/>
				)
			)}
		</>
	);
}

/** A cosine with two digits. */
export function formatCosine(value: number | null): string {
	return value === null ? "–" : value.toFixed(2).replace("-", "−");
}

/** What the table says, in words. */
function summaryOf({ sites, cosines, numElements, numTotal }: Similarity, parts: RoundView["parts"]): string {
	if (sites.length < 2) return "One site alone has no direction to be held against.";
	const pairs = (cosines ?? []).flatMap((row, index) =>
		row.flatMap((value, other) => (value === null ? [] : [{ value, names: [sites[other], sites[index]] }])),
	);
	const ordered = pairs.toSorted((a, b) => a.value - b.value);
	const [lowest, highest] = [ordered[0], ordered.at(-1)];
	const ends =
		lowest === undefined || highest === undefined
			? ""
			: lowest === highest
				? `Between ${lowest.names.join(" and ")}: ${formatCosine(lowest.value)}. `
				: `Lowest ${formatCosine(lowest.value)} (${lowest.names.join(" and ")}), highest ${formatCosine(highest.value)} (${highest.names.join(" and ")}). `;
	const away = parts.flatMap(({ site, alignment }) => (alignment !== null && alignment < AWAY ? [site] : []));
	const pull =
		away.length === 0 ? "No site pulls" : `${away.join(", ")} ${away.length === 1 ? "pulls" : "pull"}`;
	const seen = numElements === numTotal ? "all" : `${formatCount(numElements)} of ${formatCount(numTotal)}`;
	return `${ends}${pull} away from the others. From ${seen} trained numbers.`;
}
