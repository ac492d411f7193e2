// Tables for people: a dim header, columns two spaces apart, numbers to the right.
import { type Paint, padVisible, visibleWidth } from "./paint.ts";

/** A table. `right` names the columns that are aligned to the right; spaces at the end of a line are left out. */
export function renderTable(
	header: readonly string[],
	rows: readonly (readonly string[])[],
	{ paint, right = [] }: { readonly paint: Paint; readonly right?: readonly string[] },
): string {
	const widths = header.map((name, column) =>
		Math.max(visibleWidth(name), ...rows.map((row) => visibleWidth(row[column] ?? ""))),
	);
	const render = (row: readonly string[]): string =>
		header
			.map((name, column) =>
				padVisible(row[column] ?? "", widths[column] ?? 0, right.includes(name) ? "right" : "left"),
			)
			.join("  ")
			.trimEnd();
	return [paint.dim(render(header)), ...rows.map(render)].join("\n");
}
