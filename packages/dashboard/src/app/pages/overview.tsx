// The federation at a glance: what it does now and waits for, how the loss goes, who takes part, what it costs, what went
// wrong.
import type { RunView, ServerStatus, SiteRow } from "@zk0/dashboard/views";
import { useMemo } from "preact/hooks";
import { LineChart } from "../charts/line-chart.tsx";
import { LossChart } from "../charts/loss-chart.tsx";
import { Participation } from "../charts/participation.tsx";
import { TimelineChart, TimelineLegend } from "../charts/timeline-chart.tsx";
import {
	formatBytes,
	formatChange,
	formatCount,
	formatLoss,
	formatSeconds,
	formatTime,
	secondsBetween,
} from "../format.ts";
import { useLive } from "../live.ts";
import { go, pathOf, setQuery, usePlace } from "../location.ts";
import { Badge, Card, Empty, Failure, Figure, RunBadge } from "../parts/card.tsx";
import { Incidents } from "../parts/incidents.tsx";
import { Link } from "../parts/link.tsx";
import { useNow } from "../parts/now.ts";
import { SiteState, SiteTask, taskOf } from "../parts/site-state.tsx";
import { type Column, Table } from "../parts/table.tsx";

/** The page. */
export function Overview() {
	const { run, status, error } = useLive();
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
			{run === null ? <NoRun status={status} /> : <RunOverview run={run} status={status} />}
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
					<h1>{runId === "" ? "A run is queued" : runId}</h1>
					<p class="quiet">
						{run.settings?.strategy ?? "–"} · {run.settings?.numLocalSteps ?? "–"} local steps · started{" "}
						{formatTime(run.startedAt)}
					</p>
				</div>
				<RunBadge status={run.status} />
			</header>
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

function Figures({ run, status }: { readonly run: RunView; readonly status: ServerStatus }) {
	const { rounds, phase, settings } = run;
	const first = rounds[0]?.loss ?? null;
	const last = rounds.findLast(({ loss }) => loss !== null)?.loss ?? null;
	const change = rounds.length > 1 ? formatChange(first, last) : null;
	const online = status.sites.filter(({ isOnline }) => isOnline).length;
	const known = (values: readonly (number | null)[]): number | null => {
		const there = values.filter((value) => value !== null);
		return there.length === 0 ? null : there.reduce((sum, value) => sum + value, 0);
	};
	const down = known(rounds.map(({ bytesDown }) => bytesDown));
	const times = rounds.slice(1).flatMap(({ startedAt, endAt }) => secondsBetween(startedAt, endAt) ?? []);
	const typical = times.sort((a, b) => a - b)[times.length >> 1] ?? null;
	const left = settings === null || run.status !== "running" ? null : settings.numRounds - phase.round + 1;
	return (
		<dl class="figures">
			<Figure
				name="Loss"
				value={formatLoss(last)}
				note={
					last === null
						? "not measured yet"
						: change === null
							? "base model"
							: `${change} since the base model`
				}
				{...(change === null ? {} : { tone: change.startsWith("−") ? "good" : "bad" })}
				hint="Mean over the sites of the loss on recordings that were not trained on, weighted by samples"
			/>
			<Figure
				name="Round"
				value={`${phase.round} of ${settings?.numRounds ?? "–"}`}
				note={phase.kind === "over" ? null : phase.kind}
			/>
			<Figure
				name="Sites online"
				value={`${online} of ${status.sites.length}`}
				note={`${run.sites.length} in this run`}
			/>
			<Figure
				name="Samples"
				value={formatCount(known(run.sites.map(({ numSamples }) => numSamples)))}
				note="stay at the sites"
				hint="Recorded frames at the sites of this run. They never leave the sites: only weights travel."
			/>
			<Figure
				name="Sent by sites"
				value={formatBytes(known(rounds.map(({ bytesUp }) => bytesUp)))}
				note={down === null ? "no bytes yet" : `${formatBytes(down)} sent to them`}
				hint="Weights only: recordings never leave the sites"
			/>
			<Figure
				name="Time per round"
				value={formatSeconds(typical)}
				note={left === null || typical === null ? null : `about ${formatSeconds(left * typical)} left`}
				hint="Median over the rounds so far"
			/>
		</dl>
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

function SiteTable({ run, status }: RunProps) {
	const states = new Map(status.sites.map((site) => [site.site, site]));
	const isRunning = run.status === "running";
	const columns: readonly Column<SiteRow>[] = [
		{
			name: "Site",
			cell: ({ site }) => <Link to={pathOf("runs", run.runId ?? "", "sites", site)}>{site}</Link>,
			sortBy: ({ site }) => site,
		},
		{ name: "State", cell: ({ site }) => <SiteState state={states.get(site)} /> },
		{
			name: "Now",
			cell: ({ site }) => (
				<SiteTask task={isRunning ? taskOf(site, { status, runId: run.runId }) : undefined} />
			),
		},
		{
			name: "Loss",
			isNumber: true,
			hint: "Held-out loss here of the newest global weights",
			cell: ({ loss }) => formatLoss(loss),
			sortBy: ({ loss }) => loss,
		},
		{
			name: "Change",
			isNumber: true,
			hint: "Against the base model here",
			cell: ({ firstLoss, loss }) => formatChange(firstLoss, loss) ?? "–",
			sortBy: ({ firstLoss, loss }) => (firstLoss === null || loss === null ? null : loss / firstLoss),
		},
		{
			name: "Samples",
			isNumber: true,
			cell: ({ numSamples }) => formatCount(numSamples),
			sortBy: ({ numSamples }) => numSamples,
		},
		{
			name: "Updates",
			isNumber: true,
			cell: ({ numUpdates }) => formatCount(numUpdates),
			sortBy: ({ numUpdates }) => numUpdates,
		},
		{
			name: "Samples/s",
			isNumber: true,
			cell: ({ samplesPerSecond }) => (samplesPerSecond === null ? "–" : samplesPerSecond.toPrecision(3)),
			sortBy: ({ samplesPerSecond }) => samplesPerSecond,
		},
		{
			name: "Problems",
			isNumber: true,
			cell: ({ numProblems }) => formatCount(numProblems),
			sortBy: ({ numProblems }) => numProblems,
		},
	];
	if (run.sites.length === 0) return <Empty>No site was online yet</Empty>;
	return (
		<Table
			label="Sites in this run"
			rows={run.sites}
			columns={columns}
			keyOf={({ site }) => site}
			limit={25}
		/>
	);
}
