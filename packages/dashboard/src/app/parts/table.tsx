// Tables with a name for those who do not see them, sortable by their columns where rows can be compared.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

/** A column. */
export interface Column<Row> {
	readonly name: string;
	/** What the column means. */
	readonly hint?: string;
	readonly isNumber?: boolean;
	readonly cell: (row: Row) => ComponentChildren;
	/** Makes the column sortable; null sorts last. */
	readonly sortBy?: (row: Row) => number | string | null;
}

/** A table of rows. */
export function Table<Row>({
	label,
	rows,
	columns,
	keyOf,
	limit = 100,
}: {
	readonly label: string;
	readonly rows: readonly Row[];
	readonly columns: readonly Column<Row>[];
	readonly keyOf: (row: Row) => string | number;
	/** Rows shown until more are asked for. */
	readonly limit?: number;
}) {
	const [sort, setSort] = useState<{ readonly name: string; readonly sign: 1 | -1 } | null>(null);
	const [shown, setShown] = useState(limit);
	const sorted = sortRows(rows, columns.find(({ name }) => name === sort?.name)?.sortBy, sort?.sign ?? 1);
	const flip = (name: string): void =>
		setSort({ name, sign: sort?.name === name && sort.sign === 1 ? -1 : 1 });
	return (
		<div class="table-box" tabIndex={0} role="region" aria-label={label}>
			<table>
				<caption class="unseen">{label}</caption>
				<thead>
					<tr>
						{columns.map(({ name, hint, isNumber, sortBy }) => (
							<th
								key={name}
								scope="col"
								class={isNumber === true ? "number" : undefined}
								title={hint}
								aria-sort={sort?.name !== name ? undefined : sort.sign === 1 ? "ascending" : "descending"}
							>
								{sortBy === undefined ? (
									name
								) : (
									<button type="button" class="sort" onClick={() => flip(name)}>
										{name}
										<span aria-hidden="true">{sort?.name !== name ? "" : sort.sign === 1 ? " ↑" : " ↓"}</span>
									</button>
								)}
							</th>
						))}
					</tr>
				</thead>
				<tbody>
					{sorted.slice(0, shown).map((row) => (
						<tr key={keyOf(row)}>
							{columns.map(({ name, isNumber, cell }) => (
								<td key={name} class={isNumber === true ? "number" : undefined}>
									{cell(row)}
								</td>
							))}
						</tr>
					))}
				</tbody>
			</table>
			{rows.length > shown && (
				<button type="button" class="more" onClick={() => setShown(shown + limit)}>
					Show more ({rows.length - shown} left)
				</button>
			)}
		</div>
	);
}

function sortRows<Row>(rows: readonly Row[], by: Column<Row>["sortBy"], sign: 1 | -1): readonly Row[] {
	if (by === undefined) return rows;
	return [...rows].sort((a, b) => {
		const [left, right] = [by(a), by(b)];
		if (left === null || right === null) return left === right ? 0 : left === null ? 1 : -1;
		return sign * (left < right ? -1 : left > right ? 1 : 0);
	});
}
