// The site's pages. A new page has a row in PAGES and a line in Page.
import type { SitePageView } from "@zk0/dashboard/views";
import { EpisodesPage } from "../episodes/episodes-page.tsx";
import { type Place, usePlace } from "../location.ts";
import { Empty, Failure } from "../parts/card.tsx";
import { Frame } from "../parts/frame.tsx";
import { SiteContext, useFollowSite, useSite } from "./live.ts";
import { JoinPage } from "./pages/join.tsx";
import { ProgressPage } from "./pages/progress.tsx";

const PAGES = [
	["/progress", "Progress"],
	["/episodes", "Episodes"],
	["/join", "Join"],
] as const;

/** Everything that somebody sees who has signed in. */
export function SiteShell() {
	const place = usePlace();
	const live = useFollowSite();
	const section = sectionOf(place, live.view);
	return (
		<SiteContext.Provider value={live}>
			<Frame
				title="This site · zk0"
				pages={PAGES}
				here={`/${section}`}
				bar={<span class="spring quiet">{live.view?.client.joined?.site}</span>}
				link={live.link}
				isWide={section === "episodes"}
			>
				<Page place={place} />
			</Frame>
		</SiteContext.Provider>
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
				// Other recordings are another page; other rounds are other models.
				key={view.client.joined?.data}
				noModel="What the shared model would have done can be shown here after the first round."
				version={`${view.client.joined?.site} ${view.client.activity?.rounds.at(-1)?.at}`}
			/>
		);
	if (section === "join") return <JoinPage view={view} named={place.segments[1]} />;
	return <Empty>There is no such page</Empty>;
}
