// The federation at a glance: what it does now and waits for, how the loss goes, who takes part, what it costs, what went
// wrong.
import type { RunView, ServerStatus } from "@zk0/dashboard/views";
import { useMemo } from "preact/hooks";
import { LineChart } from "../charts/line-chart.tsx";
import { LossChart } from "../charts/loss-chart.tsx";
import { Participation } from "../charts/participation.tsx";
import { TimelineChart, TimelineLegend } from "../charts/timeline-chart.tsx";
import { formatBytes, formatTime } from "../format.ts";
import { useLive } from "../live.ts";
import { go, pathOf, setQuery, usePlace } from "../location.ts";
import { Badge, Card, Empty, Failure, RunBadge } from "../parts/card.tsx";
import { Incidents } from "../parts/incidents.tsx";
import { Link } from "../parts/link.tsx";
import { useNow } from "../parts/now.ts";
import { Figures } from "./overview/figures.tsx";
import { SiteTable } from "./overview/site-table.tsx";

/** The page. */
export function Overview() {
	const { run, runId, status, error } = useLive();
	if (error !== null) return <Failure text={error} />;
	if (status === null) return <Empty>Connecting…</Empty>;
	return (
		<>
			{status.waitingFor !== null && (
				<p class="callout" role="status">
					<strong>Waiting for</strong> {status.waitingFor}
				</p>
			)}
			<Alerts alerts={status.alerts} />
			{run !== null && <RunOverview run={run} status={status} />}
			{run === null &&
				(runId === null && status.runs.length === 0 ? <NoRun status={status} /> : <Empty>Loading…</Empty>)}
		</>
	);
}

function Alerts({ alerts }: { readonly alerts: ServerStatus["alerts"] }) {
	if (alerts.length === 0) return null;
	return (
		<section class="alerts" aria-label="Alerts">
			{alerts.map(({ rule, subject, severity, message, cure, since }) => (
				<div key={`${rule} ${subject}`} class={`alert ${severity}`} role="alert">
					<strong>{message}</strong>
					<span>{cure}</span>
					<time class="quiet">since {formatTime(since)}</time>
				</div>
			))}
		</section>
	);
}

function NoRun({ status }: { readonly status: ServerStatus }) {
	const online = status.sites.filter(({ isOnline }) => isOnline).length;
	return (
		<Card title="No run yet" span={3}>
			<Empty>
				{status.sites.length === 0
					? "Invite the first site under Access, or with `zk0 server invite`."
					: `${online} of ${status.sites.length} sites are online. Start a run on the server: zk0 run --rounds 10`}
			</Empty>
		</Card>
	);
}

interface RunProps {
	readonly run: RunView;
	readonly status: ServerStatus;
}

function RunOverview({ run, status }: RunProps) {
	const runId = run.runId ?? "";
	const served = status.runs.find((one) => one.runId === runId);
	const isRunning = run.status === "running";
	const now = useNow(isRunning);
	const [timeline] = run.timelines.slice(-1);
	const nowMs = isRunning ? now : Date.parse(run.lastAt ?? "") || now;
	// What an event of the run changes, and a site's progress does not, is not drawn again for the latter.
	const charts = useMemo(
		() => ({ loss: <LossCard run={run} />, care: <Care run={run} />, part: <Part run={run} /> }),
		[run],
	);
	return (
		<>
			<header class="page-head">
				<div>
					<h1>{runId}</h1>
					<p class="quiet">
						{run.settings?.strategy ?? "–"} · {run.settings?.numLocalSteps ?? "–"} local steps · started{" "}
						{formatTime(run.startedAt)}
					</p>
				</div>
				<RunBadge status={run.status} />
			</header>
			{served?.state === "failed" && <Failure text={served.message ?? "The run has failed"} />}
			{served?.state === "stopped" && <p class="callout">{served.message ?? "The run was stopped"}</p>}
			<Figures run={run} status={status} />
			<div class="columns">
				{charts.loss}
				{charts.care}
				<Card
					title={timeline === undefined ? "Round" : `Round ${timeline.round}, site by site`}
					span={3}
					aside={
						<>
							<TimelineLegend timeline={timeline ?? null} />
							{timeline !== undefined && (
								<Link to={pathOf("runs", runId, "rounds", timeline.round)}>open round</Link>
							)}
						</>
					}
				>
					{timeline === undefined ? <Empty /> : <TimelineChart timeline={timeline} nowMs={nowMs} />}
				</Card>
				{charts.part}
				<Card title="Sites in this run" span={3}>
					<SiteTable run={run} status={status} />
				</Card>
			</div>
		</>
	);
}

function LossCard({ run }: { readonly run: RunView }) {
	const { query } = usePlace();
	const isSmooth = query.get("smooth") === "1";
	return (
		<Card
			title="Held-out loss"
			span={2}
			aside={
				<label class="check">
					<input
						type="checkbox"
						checked={isSmooth}
						onChange={(event) => setQuery("smooth", event.currentTarget.checked ? "1" : null)}
					/>
					smooth
				</label>
			}
		>
			<LossChart
				rounds={run.rounds}
				sites={run.sites.map(({ site }) => site)}
				isSmooth={isSmooth}
				onPick={(round) => go(pathOf("runs", run.runId ?? "", "rounds", round))}
			/>
		</Card>
	);
}

function Care({ run }: { readonly run: RunView }) {
	return (
		<Card title="What needs care" aside={<Badge>{run.numIncidents}</Badge>}>
			<Incidents incidents={run.incidents} />
		</Card>
	);
}

function Part({ run }: { readonly run: RunView }) {
	return (
		<>
			<Card title="Who took part" span={2}>
				{run.phase.round === 0 ? (
					<Empty>Before the first round, every site measures the base model</Empty>
				) : (
					<Participation
						sites={run.sites}
						numRounds={run.phase.round}
						onPick={(_, round) => go(pathOf("runs", run.runId ?? "", "rounds", round))}
					/>
				)}
			</Card>
			<Card title="Bytes per round">
				<Traffic run={run} />
			</Card>
		</>
	);
}

function Traffic({ run }: { readonly run: RunView }) {
	const counted = run.rounds.filter(({ bytesUp, bytesDown }) => bytesUp !== null || bytesDown !== null);
	if (counted.length === 0) return <Empty>No bytes were counted yet</Empty>;
	return (
		<LineChart
			label="Bytes moved per round"
			x={counted.map(({ round }) => round)}
			xName="round"
			curves={[
				{ name: "down", values: counted.map(({ bytesDown }) => bytesDown), colour: "series-0" },
				{ name: "up", values: counted.map(({ bytesUp }) => bytesUp), colour: "series-1" },
			]}
			format={formatBytes}
			syncKey="rounds"
			height={220}
			fromZero
		/>
	);
}
