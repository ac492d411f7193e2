// The frame around the site's pages. A new page has a row in PAGES and a line in Page.
import type { SessionView, SitePageView } from "@zk0/dashboard/views";
import { useCallback, useEffect, useRef } from "preact/hooks";
import { EpisodesPage } from "../episodes/episodes-page.tsx";
import { type Place, usePlace } from "../location.ts";
import { LinkBadge, ThemeButton } from "../parts/bar.tsx";
import { Empty, Failure } from "../parts/card.tsx";
import { Link } from "../parts/link.tsx";
import { SessionContext } from "../session.ts";
import { SiteContext, useFollowSite, useSite } from "./live.ts";
import { JoinPage } from "./pages/join.tsx";
import { ProgressPage } from "./pages/progress.tsx";

const PAGES = [
	["/progress", "Progress"],
	["/episodes", "Episodes"],
	["/join", "Join"],
] as const;

/** Everything that somebody sees who has signed in. */
export function SiteShell({
	session,
	onSignedOut,
}: {
	readonly session: SessionView;
	readonly onSignedOut: () => void;
}) {
	const place = usePlace();
	const live = useFollowSite(useCallback(onSignedOut, []));
	const section = sectionOf(place, live.view);
	const main = useRef<HTMLElement>(null);
	const path = place.segments.join("/");
	const isFirst = useRef(true);
	useEffect(() => {
		// After a move the keyboard and the screen reader go on at the new page.
		if (!isFirst.current) main.current?.focus();
		isFirst.current = false;
		document.title = `${path === "" ? "This site" : path} · zk0`;
	}, [path]);
	return (
		<SessionContext.Provider value={session}>
			<SiteContext.Provider value={live}>
				<a class="skip" href="#page">
					Skip to the page
				</a>
				<header class="bar">
					<Link to="/" class="brand">
						<span class="mark" aria-hidden="true" />
						zk0
					</Link>
					<nav aria-label="Pages">
						{PAGES.map(([to, name]) => (
							<Link key={to} to={to} {...(`/${section}` === to ? { "aria-current": "page" as const } : {})}>
								{name}
							</Link>
						))}
					</nav>
					<span class="spring quiet">{live.view?.client.joined?.site}</span>
					<LinkBadge link={live.link} />
					<ThemeButton />
				</header>
				<main id="page" ref={main} tabIndex={-1} class={section === "episodes" ? "wide" : undefined}>
					<Page place={place} />
				</main>
			</SiteContext.Provider>
		</SessionContext.Provider>
	);
}

/** The page of an address; without one, what matters now: joining, and after that the progress. */
function sectionOf({ segments }: Place, view: SitePageView | null): string {
	return segments[0] ?? (view === null || view.client.joined !== null ? "progress" : "join");
}

function Page({ place }: { readonly place: Place }) {
	const { view, error, link } = useSite();
	if (error !== null) return <Failure text={error} />;
	if (view === null) return <Empty>{link === "lost" ? "zk0 client page was stopped" : "Loading…"}</Empty>;
	const section = sectionOf(place, view);
	if (section === "progress") return <ProgressPage client={view.client} />;
	if (section === "episodes")
		return (
			<EpisodesPage
				noModel="What the shared model would have done can be shown here after the first round."
				version={view.client.activity?.rounds.length ?? 0}
			/>
		);
	if (section === "join") return <JoinPage view={view} named={place.segments[1]} />;
	return <Empty>There is no such page</Empty>;
}
