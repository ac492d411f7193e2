// Colours and type of the report and of the charts that stand alone, light and dark. Series colours were chosen to
// stay apart for readers with a colour vision deficiency and to reach 3:1 against both backgrounds.

const LIGHT = {
	paper: "#ffffff",
	card: "#f7f8fa",
	ink: "#1b1f27",
	muted: "#5d6675",
	line: "#dfe3e9",
	accent: "#2563c9",
	good: "#1f7a45",
	bad: "#b3261e",
	series: ["#2563c9", "#d4600c", "#23845b", "#a23fb0", "#0b7f94", "#bf2f62", "#8a6a00", "#66707f"],
};

const DARK: typeof LIGHT = {
	paper: "#12151b",
	card: "#1a1e26",
	ink: "#e7eaf0",
	muted: "#9aa4b5",
	line: "#2d3440",
	accent: "#7fb0ff",
	good: "#65cf95",
	bad: "#ff8a80",
	series: ["#7fb0ff", "#ff9f5a", "#63d39b", "#dc93ec", "#54cfe3", "#ff8db3", "#e6c04b", "#a9b4c4"],
};

/** Number of distinct series colours; more sites than this are drawn in the last one. */
export const NUM_SERIES: number = LIGHT.series.length;

/** The colour of the site at `index`. */
export function seriesColour(index: number): string {
	return `var(--series-${Math.min(index, NUM_SERIES - 1)})`;
}

function variables({ series, ...named }: typeof LIGHT): string {
	const all = [
		...Object.entries(named),
		...series.map((colour, index): [string, string] => [`series-${index}`, colour]),
	];
	return all.map(([name, colour]) => `--${name}:${colour}`).join(";");
}

/** Custom properties for the elements under `selector`; print is always light. */
export function themeCss(selector: string): string {
	return (
		`${selector}{${variables(LIGHT)}}` +
		`@media screen and (prefers-color-scheme:dark){${selector}{${variables(DARK)}}}`
	);
}

/** Style of the charts' inside. */
export const CHART_CSS: string = [
	".chart{display:block;width:100%;height:auto;font:12px/1.3 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;font-variant-numeric:tabular-nums}",
	".chart text{fill:var(--muted)}",
	".chart .name{fill:var(--ink)}",
	".chart .strong{fill:var(--ink);font-weight:600}",
	".chart .grid{stroke:var(--line);stroke-width:1}",
	".chart .reference{stroke:var(--muted);stroke-width:1.2;stroke-dasharray:5 4}",
	".chart .site{fill:none;stroke-width:1.6;opacity:.9}",
	".chart .global{fill:none;stroke:var(--ink);stroke-width:3;stroke-linejoin:round;stroke-linecap:round}",
	".chart .dot{stroke:var(--card);stroke-width:1.5}",
	".chart .hollow{fill:var(--card);stroke-width:2}",
].join("");
