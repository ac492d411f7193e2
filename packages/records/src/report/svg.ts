// SVG and HTML elements as strings, escaped.

/** Attribute values; undefined leaves the attribute out. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** A text as it may stand between tags and in quoted attributes. */
export function escapeMarkup(text: string): string {
	return text
		.replaceAll("&", "&amp;")
		.replaceAll("<", "&lt;")
		.replaceAll(">", "&gt;")
		.replaceAll('"', "&quot;");
}

/** One element; children are markup, already escaped. Numbers are rounded to a tenth of a unit. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
	const written = Object.entries(attributes).flatMap(([key, value]) => {
		if (value === undefined) return [];
		const text = typeof value === "number" ? String(Math.round(value * 10) / 10) : escapeMarkup(value);
		return [` ${key}="${text}"`];
	});
	return `<${name}${written.join("")}>${children.join("")}</${name}>`;
}

/** A `<text>` element. */
export function label(x: number, y: number, text: string, attributes: Attributes = {}): string {
	return element("text", { x, y, ...attributes }, escapeMarkup(text));
}

/** A straight `<line>`. */
export function rule(x1: number, y1: number, x2: number, y2: number, attributes: Attributes = {}): string {
	return element("line", { x1, y1, x2, y2, ...attributes });
}

/** A hover text. */
export function tooltip(text: string): string {
	return element("title", {}, escapeMarkup(text));
}

/** An `<svg>` of the given size that scales with its container; `title` is what screen readers say. */
export function picture(
	size: { readonly width: number; readonly height: number; readonly title: string },
	...children: readonly string[]
): string {
	const { width, height, title } = size;
	return element(
		"svg",
		{
			xmlns: "http://www.w3.org/2000/svg",
			viewBox: `0 0 ${width} ${height}`,
			class: "chart",
			role: "img",
			"aria-label": title,
		},
		...children,
	);
}
