// The frame around the pages: where one can go, which run is shown, whether what is shown is live.
import type { SessionView } from "@zk0/dashboard/views";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Live, LiveContext, useFollow } from "./live.ts";
import { go, type Place, pathOf, usePlace } from "./location.ts";
import { AccessPage } from "./pages/access.tsx";
import { AuditPage } from "./pages/audit.tsx";
import { Compare } from "./pages/compare.tsx";
import { Models } from "./pages/models.tsx";
import { Overview } from "./pages/overview.tsx";
import { RoundPage } from "./pages/round.tsx";
import { SitePage } from "./pages/site.tsx";
import { LinkBadge, ThemeButton } from "./parts/bar.tsx";
import { Empty } from "./parts/card.tsx";
import { Link } from "./parts/link.tsx";
import { SessionContext, signOut } from "./session.ts";

const PAGES = [
	["/", "Overview"],
	["/compare", "Compare"],
	["/models", "Models"],
	["/access", "Access"],
	["/audit", "Audit"],
] as const;

/** Everything that somebody sees who has signed in. */
export function Shell({
	session,
	onSignedOut,
}: {
	readonly session: SessionView;
	readonly onSignedOut: () => void;
}) {
	const place = usePlace();
	const ended = useCallback(onSignedOut, []);
	const [section = "", named] = place.segments;
	const asked = section === "runs" && named !== undefined ? named : null;
	const live = useFollowRun(asked, ended);
	const leave = (): void => {
		// Whether the server heard it or not, this page forgets the session.
		signOut(session).then(onSignedOut, onSignedOut);
	};
	const heading = useRef<HTMLElement>(null);
	const path = place.segments.join("/");
	const isFirst = useRef(true);
	useEffect(() => {
		// After a move the keyboard and the screen reader go on at the new page.
		if (!isFirst.current) heading.current?.focus();
		isFirst.current = false;
		document.title = path === "" ? "zk0" : `${path} · zk0`;
	}, [path]);
	return (
		<SessionContext.Provider value={session}>
			<LiveContext.Provider value={live}>
				<a class="skip" href="#page">
					Skip to the page
				</a>
				<header class="bar">
					<Link to="/" class="brand">
						<span class="mark" aria-hidden="true" />
						zk0
					</Link>
					<nav aria-label="Pages">
						{PAGES.map(([to, name]) => {
							const isHere = to === "/" ? section === "" || section === "runs" : `/${section}` === to;
							return (
								<Link key={to} to={to} {...(isHere ? { "aria-current": "page" as const } : {})}>
									{name}
								</Link>
							);
						})}
					</nav>
					<RunPicker live={live} />
					<LinkBadge link={live.link} />
					<ThemeButton />
					<button
						type="button"
						class="flat"
						onClick={leave}
						title={`Signed in as ${session.name}, ${session.role}`}
					>
						Sign out
					</button>
				</header>
				<main id="page" ref={heading} tabIndex={-1}>
					<Page place={place} />
				</main>
			</LiveContext.Provider>
		</SessionContext.Provider>
	);
}

/** Follows the run in the address, or else the one under way, or else the last. */
function useFollowRun(asked: string | null, onSignedOut: () => void): Live {
	const [auto, setAuto] = useState<string | null>(null);
	const live = useFollow(asked ?? auto, onSignedOut);
	const runs = live.status?.runs ?? [];
	const best = (runs.find(({ state }) => state === "running") ?? runs.at(-1))?.runId;
	useEffect(() => {
		if (best !== undefined) setAuto(best);
	}, [best]);
	return live;
}

function Page({ place: { segments } }: { readonly place: Place }) {
	const [section, run = "", kind, name = ""] = segments;
	if (section === undefined || (section === "runs" && kind === undefined)) return <Overview />;
	if (section === "runs" && kind === "rounds" && /^\d+$/.test(name))
		return <RoundPage runId={run} round={Number(name)} />;
	if (section === "runs" && kind === "sites") return <SitePage runId={run} site={name} />;
	if (section === "compare") return <Compare />;
	if (section === "models") return <Models />;
	if (section === "access") return <AccessPage />;
	if (section === "audit") return <AuditPage />;
	return <Empty>There is no such page</Empty>;
}

function RunPicker({ live: { status, run } }: { readonly live: Live }) {
	const runs = [...(status?.runs ?? [])].reverse();
	if (runs.length === 0) return <span class="spring" />;
	return (
		<label class="pick spring">
			<span class="unseen">Run</span>
			<select value={run?.runId ?? ""} onChange={(event) => go(pathOf("runs", event.currentTarget.value))}>
				{run?.runId == null && <option value="">choose a run</option>}
				{runs.map(({ runId, state }) => (
					<option key={runId} value={runId}>
						{runId} ({state})
					</option>
				))}
			</select>
		</label>
	);
}
