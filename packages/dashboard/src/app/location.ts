// Where the reader is, as the address says it: everything that a page shows can be sent to somebody as a link.
import { useEffect, useState } from "preact/hooks";

/** Path segments and query of the address. */
export interface Place {
	readonly segments: readonly string[];
	readonly query: URLSearchParams;
}

/** The place now. */
export function placeOf({ pathname, search }: { pathname: string; search: string }): Place {
	const segments = pathname.split("/").filter((segment) => segment !== "");
	return { segments: segments.map(decode), query: new URLSearchParams(search) };
}

/** A segment in clear; as it stands where it was never encoded: then it names nothing, and the page says so. */
function decode(segment: string): string {
	try {
		return decodeURIComponent(segment);
	} catch (error) {
		if (error instanceof URIError) return segment;
		throw error;
	}
}

const MOVED = "zk0:moved";

/** Goes to another page; `replace`: without a step in the browser's history. */
export function go(path: string, { replace = false }: { replace?: boolean } = {}): void {
	if (replace) history.replaceState(null, "", path);
	else history.pushState(null, "", path);
	dispatchEvent(new Event(MOVED));
	if (!replace) scrollTo(0, 0);
}

/** Changes one value of the query; null removes it. */
export function setQuery(name: string, value: string | null): void {
	const url = new URL(location.href);
	if (value === null) url.searchParams.delete(name);
	else url.searchParams.set(name, value);
	go(url.pathname + url.search, { replace: true });
}

/** The path of these segments. */
export function pathOf(...segments: readonly (string | number)[]): string {
	return `/${segments.map((segment) => encodeURIComponent(segment)).join("/")}`;
}

/** The place, again whenever it changes. */
export function usePlace(): Place {
	const [place, setPlace] = useState(() => placeOf(location));
	useEffect(() => {
		const update = (): void => setPlace(placeOf(location));
		addEventListener("popstate", update);
		addEventListener(MOVED, update);
		return () => {
			removeEventListener("popstate", update);
			removeEventListener(MOVED, update);
		};
	}, []);
	return place;
}
