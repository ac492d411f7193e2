// The width that a part of the page has.
import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

/** A reference for an element and its width in pixels, 0 before it is drawn. */
export function useWidth<E extends HTMLElement>(): readonly [RefObject<E | null>, number] {
	const ref = useRef<E>(null);
	const [width, setWidth] = useState(0);
	useEffect(() => {
		const element = ref.current;
		if (element === null) return undefined;
		const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
		observer.observe(element);
		return () => observer.disconnect();
	}, []);
	return [ref, width];
}
