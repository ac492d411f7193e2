// The dashboard: where one can go, which run is shown, whether what is shown is live.
import { useEffect, useState } from "preact/hooks";
import { type Live, LiveContext, useFollow } from "./live.ts";
import { go, type Place, pathOf, usePlace } from "./location.ts";
import { AccessPage } from "./pages/access.tsx";
import { AuditPage } from "./pages/audit.tsx";
import { Compare } from "./pages/compare.tsx";
import { Models } from "./pages/models.tsx";
import { Overview } from "./pages/overview.tsx";
import { RoundPage } from "./pages/round.tsx";
import { SitePage } from "./pages/site.tsx";
import { Empty } from "./parts/card.tsx";
import { Frame } from "./parts/frame.tsx";
import { signOut, useSession, useSignedOut } from "./session.ts";

const PAGES = [
	["/", "Overview"],
	["/compare", "Compare"],
	["/models", "Models"],
	["/access", "Access"],
	["/audit", "Audit"],
] as const;

/** Everything that somebody sees who has signed in. */
export function Shell() {
	const session = useSession();
	const onSignedOut = useSignedOut();
	const place = usePlace();
	const [section = "", named] = place.segments;
	const live = useFollowRun(section === "runs" && named !== undefined ? named : null);
	const leave = (): void => {
		// Whether the server heard it or not, this page forgets the session.
		signOut().then(onSignedOut, onSignedOut);
	};
	return (
		<LiveContext.Provider value={live}>
			<Frame
				title="zk0"
				pages={PAGES}
				here={section === "" || section === "runs" ? "/" : `/${section}`}
				bar={<RunPicker live={live} />}
				link={live.link}
				end={
					<button
						type="button"
						class="flat"
						onClick={leave}
						title={`Signed in as ${session.name}, ${session.role}`}
					>
						Sign out
					</button>
				}
			>
				<Page place={place} />
			</Frame>
		</LiveContext.Provider>
	);
}

/** Follows the run in the address, or else the one under way, or else the last. */
function useFollowRun(asked: string | null): Live {
	const [auto, setAuto] = useState<string | null>(null);
	const live = useFollow(asked ?? auto);
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

function RunPicker({ live: { status, runId: shown } }: { readonly live: Live }) {
	const runs = [...(status?.runs ?? [])].reverse();
	if (runs.length === 0) return <span class="spring" />;
	const known = runs.find(({ runId }) => runId === shown)?.runId;
	return (
		<label class="pick spring">
			<span class="unseen">Run</span>
			<select value={known ?? ""} onChange={(event) => go(pathOf("runs", event.currentTarget.value))}>
				{known === undefined && <option value="">choose a run</option>}
				{runs.map(({ runId, state }) => (
					<option key={runId} value={runId}>
						{runId} ({state})
					</option>
				))}
			</select>
		</label>
	);
}
