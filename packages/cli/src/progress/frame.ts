// The framed summary at the end of a command: a title, and sections of rows in aligned columns.
import { type Paint, padVisible, visibleWidth } from "./paint.ts";

/** A part of the frame. */
export interface FrameSection {
	/** Column titles, or null for a section without. */
	readonly header: readonly string[] | null;
	readonly rows: readonly (readonly string[])[];
	/** How each column is aligned; left where not said. */
	readonly align?: readonly ("left" | "right")[];
}

/** The frame as lines joined by newlines. */
export function renderFrame(title: string, sections: readonly FrameSection[], paint: Paint): string {
	const bodies = sections.map((section) => renderSection(section, paint));
	const inner = Math.max(visibleWidth(title) + 2, ...bodies.flat().map(visibleWidth)) + 2;
	const edge = (text: string): string => paint.dim(text);
	const top = `${edge("╭─")} ${paint.bold(title)} ${edge(`${"─".repeat(Math.max(0, inner - visibleWidth(title) - 3))}╮`)}`;
	const line = (text: string): string => `${edge("│")} ${padVisible(text, inner - 2)} ${edge("│")}`;
	const divider = edge(`├${"─".repeat(inner)}┤`);
	return [
		top,
		...bodies.flatMap((lines, index) => [...(index === 0 ? [] : [divider]), ...lines.map(line)]),
		edge(`╰${"─".repeat(inner)}╯`),
	].join("\n");
}

function renderSection(section: FrameSection, paint: Paint): string[] {
	const all = [...(section.header === null ? [] : [section.header]), ...section.rows];
	const numColumns = Math.max(0, ...all.map((row) => row.length));
	const widths = Array.from({ length: numColumns }, (_, column) =>
		Math.max(...all.map((row) => visibleWidth(row[column] ?? ""))),
	);
	const render = (row: readonly string[]): string =>
		widths
			.map((width, column) => padVisible(row[column] ?? "", width, section.align?.[column]))
			.join("   ")
			.trimEnd();
	const header = section.header === null ? [] : [paint.dim(render(section.header))];
	return [...header, ...section.rows.map(render)];
}
