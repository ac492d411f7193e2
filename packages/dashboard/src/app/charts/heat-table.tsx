// A table of numbers whose cells are as dark as their numbers are large: a real table, so that it can be read aloud,
// copied and walked with the keyboard.

/** A table of numbers. */
export interface HeatTableProps {
	readonly label: string;
	readonly rows: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
	readonly columns: readonly string[];
	readonly corner: string;
	readonly format: (value: number) => string;
	/** The number of the darkest cell, and of the lightest. */
	readonly range: readonly [low: number, high: number];
	/** Low and high in two colours, with nothing in the middle. */
	readonly isTwoSided?: boolean;
}

const STEPS = 10;

/** The table. */
export function HeatTable({
	label,
	rows,
	columns,
	corner,
	format,
	range,
	isTwoSided = false,
}: HeatTableProps) {
	return (
		<div class="table-box heat" tabIndex={0} role="region" aria-label={label}>
			<table>
				<caption class="unseen">{label}</caption>
				<thead>
					<tr>
						<th scope="col">{corner}</th>
						{columns.map((name) => (
							<th key={name} scope="col" class="number">
								{name}
							</th>
						))}
					</tr>
				</thead>
				<tbody>
					{rows.map(({ name, values }) => (
						<tr key={name}>
							<th scope="row">{name}</th>
							{columns.map((column, index) => {
								const value = values[index];
								return (
									<td key={column} class={`number ${shade(value ?? null, range, isTwoSided)}`}>
										{value == null ? "–" : format(value)}
									</td>
								);
							})}
						</tr>
					))}
				</tbody>
			</table>
		</div>
	);
}

function shade(value: number | null, [low, high]: readonly [number, number], isTwoSided: boolean): string {
	if (value === null || high <= low) return "";
	const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
	if (!isTwoSided) return `heat-${Math.round(share * STEPS)}`;
	const side = share >= 0.5 ? "heat" : "cold";
	return `${side}-${Math.round(Math.abs(share - 0.5) * 2 * STEPS)}`;
}
