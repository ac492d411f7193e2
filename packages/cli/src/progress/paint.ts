// Terminal colours and widths. Without colour every function returns its text as it is.

/** Text decorations. */
export interface Paint {
	bold(text: string): string;
	dim(text: string): string;
	accent(text: string): string;
	good(text: string): string;
	bad(text: string): string;
	warn(text: string): string;
}

const ESCAPE = "\u001B";

/** Decorations as ANSI escape sequences, or none. */
export function createPaint(enabled: boolean): Paint {
	const sgr = (open: number, close: number) => (text: string) =>
		enabled && text !== "" ? `${ESCAPE}[${open}m${text}${ESCAPE}[${close}m` : text;
	return {
		bold: sgr(1, 22),
		dim: sgr(2, 22),
		accent: sgr(36, 39),
		good: sgr(32, 39),
		bad: sgr(31, 39),
		warn: sgr(33, 39),
	};
}

/** Whether a stream should get colours: a terminal, unless NO_COLOR (no-color.org) or a dumb terminal says no. */
export function wantsColour(isTTY: boolean, env: Readonly<Record<string, string | undefined>>): boolean {
	if ((env["FORCE_COLOR"] ?? "0") !== "0") return true;
	return isTTY && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
}

const SEQUENCE = new RegExp(`${ESCAPE}\\[[0-9;]*m`, "g");

/** Number of characters a text takes on the screen (every character counts one). */
export function visibleWidth(text: string): number {
	return Array.from(text.replaceAll(SEQUENCE, "")).length;
}

/** Pads with spaces to a visible width. */
export function padVisible(text: string, width: number, align: "left" | "right" = "left"): string {
	const space = " ".repeat(Math.max(0, width - visibleWidth(text)));
	return align === "left" ? text + space : space + text;
}

/** Cuts to a visible width, keeping escape sequences whole and ending with an ellipsis where something was cut. */
export function cutVisible(text: string, width: number): string {
	if (visibleWidth(text) <= width) return text;
	let shown = 0;
	let result = "";
	let rest = text;
	let decorated = false;
	while (rest !== "" && shown < width - 1) {
		const sequence = rest.startsWith(ESCAPE) ? rest.match(/^[^m]*m/)?.[0] : undefined;
		const piece = sequence ?? Array.from(rest)[0] ?? "";
		if (sequence === undefined) shown++;
		else decorated = true;
		result += piece;
		rest = rest.slice(piece.length);
	}
	return `${result}${width > 0 ? "…" : ""}${decorated ? `${ESCAPE}[0m` : ""}`;
}
