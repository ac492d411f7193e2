// The frame around every app's pages: the bar at the top, the way past it, and where the keyboard goes on after a move.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { usePlace } from "../location.ts";
import type { Link as StreamLink } from "../stream.ts";
import { LinkBadge, ThemeButton } from "./bar.tsx";
import { Link } from "./link.tsx";

/** The frame. */
export function Frame({
	title,
	pages = [],
	here,
	bar,
	link,
	end,
	isWide = false,
	children,
}: {
	/** Of the window, where the address names no page. */
	readonly title: string;
	/** Paths and names of what can be gone to. */
	readonly pages?: readonly (readonly [to: string, name: string])[];
	/** The path among them that is shown. */
	readonly here?: string;
	/** Between the pages and the connection. */
	readonly bar?: ComponentChildren;
	/** How the connection is; absent: the app has none. */
	readonly link?: StreamLink;
	/** After everything else. */
	readonly end?: ComponentChildren;
	readonly isWide?: boolean;
	readonly children: ComponentChildren;
}) {
	const path = usePlace().segments.join("/");
	const main = useRef<HTMLElement>(null);
	const isFirst = useRef(true);
	useEffect(() => {
		// After a move the keyboard and the screen reader go on at the new page.
		if (!isFirst.current) main.current?.focus();
		isFirst.current = false;
		document.title = path === "" ? title : `${path} · zk0`;
	}, [path]);
	return (
		<>
			<a class="skip" href="#page">
				Skip to the page
			</a>
			<header class="bar">
				<Link to="/" class="brand">
					<span class="mark" aria-hidden="true" />
					zk0
				</Link>
				{pages.length > 0 && (
					<nav aria-label="Pages">
						{pages.map(([to, name]) => (
							<Link key={to} to={to} {...(to === here ? { "aria-current": "page" as const } : {})}>
								{name}
							</Link>
						))}
					</nav>
				)}
				{bar ?? <span class="spring" />}
				{link !== undefined && <LinkBadge link={link} />}
				<ThemeButton />
				{end}
			</header>
			<main id="page" ref={main} tabIndex={-1} class={isWide ? "wide" : undefined}>
				{children}
			</main>
		</>
	);
}
