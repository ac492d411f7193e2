// Step 6: all that was decided, and joining.
import { badgeWords } from "@zk0/dashboard/status";
import type { JoinView } from "@zk0/dashboard/views";
import { useEffect, useRef } from "preact/hooks";
import { formatShort } from "../../format.ts";
import { go } from "../../location.ts";
import { Card, Failure } from "../../parts/card.tsx";
import { Link } from "../../parts/link.tsx";
import { useAct } from "../act.ts";
import { JobState, shortCamera } from "./parts.tsx";
import { stepsOf } from "./steps.ts";

/** The step. */
export function GoStep({ join, joinedAt }: { readonly join: JoinView; readonly joinedAt: string | null }) {
	const { ask, isBusy, failure } = useAct();
	const { invitation, data, cameras, doctor, trial, entry } = join;
	const missing = stepsOf(join).filter(({ key, isDone }) => key !== "go" && !isDone);
	const isStarted = entry?.isStarted === true;
	const wasStarted = useRef(isStarted);
	useEffect(() => {
		// Goes on when it happens here, and not again for somebody who comes back.
		if (isStarted && !wasStarted.current) go("/progress");
		wasStarted.current = isStarted;
	}, [isStarted]);
	const map = Object.entries(cameras?.chosen ?? {}).map(
		([from, to]) => `${shortCamera(from)} → ${shortCamera(to)}`,
	);
	const rows: readonly (readonly [string, string])[] = [
		["Server", invitation?.address ?? "–"],
		["This site", invitation?.site ?? "–"],
		["Recordings", data?.uri ?? "–"],
		["Cameras", map.length === 0 ? "–" : map.join(", ")],
		["Data check", doctor?.badge == null ? "–" : badgeWords(doctor.badge)],
		["A step here", formatShort(trial?.result?.stepSeconds)],
	];
	return (
		<Card title="6. Join">
			<p>
				A key is made for this site, which never leaves this machine. The client then runs in the background,
				also when this page is closed, and only ever connects outwards.
			</p>
			<dl class="facts spaced">
				{rows.map(([name, value]) => (
					<div key={name}>
						<dt>{name}</dt>
						<dd>{value}</dd>
					</div>
				))}
			</dl>
			{missing.length > 0 && (
				<p class="callout">
					Still to do:{" "}
					{missing.map(({ key, name }, index) => (
						<span key={key}>
							{index > 0 && ", "}
							<Link to={`/join/${key}`}>{name}</Link>
						</span>
					))}
				</p>
			)}
			{isStarted ? (
				<p class="callout">
					This site has joined. <Link to="/progress">See its progress</Link>
				</p>
			) : (
				joinedAt !== null && <Already joinedAt={joinedAt} isSame={joinedAt === invitation?.address} />
			)}
			{failure !== null && <Failure text={failure} />}
			{entry !== null && (
				<JobState
					job={entry.job}
					doing={entry.state === null ? "Asking to be let in" : "Let in; starting the client"}
				/>
			)}
			<div class="onward">
				<button
					type="button"
					class="primary"
					disabled={isBusy || missing.length > 0 || entry?.job.state === "running"}
					onClick={() => void ask("/join/enter")}
				>
					Join and start
				</button>
			</div>
		</Card>
	);
}

/** What joining means for a site that has joined before. */
function Already({ joinedAt, isSame }: { readonly joinedAt: string; readonly isSame: boolean }) {
	return (
		<p class="callout">
			{isSame
				? "This site is in this federation already. Joining again starts its client anew, with what was decided here."
				: `This site is in the federation at ${joinedAt}. Joining this one leaves that one; its client stops then.`}
		</p>
	);
}
