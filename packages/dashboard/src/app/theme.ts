// Light or dark: as the system says, unless the reader chose.
import { useEffect, useState } from "preact/hooks";

/** What a reader can choose. */
export type Theme = "auto" | "light" | "dark";

const KEY = "zk0-theme";
const CHANGED = "zk0:theme";
const NEXT: Readonly<Record<Theme, Theme>> = { auto: "light", light: "dark", dark: "auto" };

const DARK = "(prefers-color-scheme: dark)";

/** Shows the theme that was chosen last, and follows the system's when that was chosen, for as long as the page is open. */
export function startTheme(): void {
	// Before the charts', which then find the new colours.
	matchMedia(DARK).addEventListener("change", applyTheme);
	applyTheme();
}

function applyTheme(): Theme {
	const stored = localStorage.getItem(KEY);
	const theme: Theme = stored === "light" || stored === "dark" ? stored : "auto";
	const ofSystem = matchMedia(DARK).matches ? "dark" : "light";
	document.documentElement.dataset["theme"] = theme === "auto" ? ofSystem : theme;
	return theme;
}

/** The choice, and a function that goes to the next one. */
export function useTheme(): readonly [Theme, () => void] {
	const [theme, setTheme] = useState<Theme>(applyTheme);
	const next = (): void => {
		localStorage.setItem(KEY, NEXT[theme]);
		setTheme(applyTheme());
		dispatchEvent(new Event(CHANGED));
	};
	return [theme, next];
}

/** A number that changes with the colours on the screen: charts draw again. */
export function useColours(): number {
	const [version, setVersion] = useState(0);
	useEffect(() => {
		const update = (): void => setVersion((before) => before + 1);
		const system = matchMedia(DARK);
		system.addEventListener("change", update);
		addEventListener(CHANGED, update);
		return () => {
			system.removeEventListener("change", update);
			removeEventListener(CHANGED, update);
		};
	}, []);
	return version;
}

/** A colour of the style sheet by its name, e.g. `accent` or `series-2`. */
export function colour(name: string): string {
	return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** The colour of the series at `index`; eight differ. */
export function seriesName(index: number): string {
	return `series-${index % 8}`;
}
