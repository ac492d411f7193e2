// One site in a run: how it is, what it recorded, how the global weights do there, joint by joint, and what failed.
import { type SiteHistory, type SiteStatus, siteHistorySchema } from "@zk0/dashboard/views";
import { HeatTable } from "../charts/heat-table.tsx";
import { type Curve, LineChart } from "../charts/line-chart.tsx";
import {
	formatBytes,
	formatChange,
	formatCount,
	formatLoss,
	formatPercent,
	formatSeconds,
	shortHash,
} from "../format.ts";
import { useLive } from "../live.ts";
import { pathOf } from "../location.ts";
import { Badge, Card, Empty, Failure, Figure } from "../parts/card.tsx";
import { Incidents } from "../parts/incidents.tsx";
import { Link } from "../parts/link.tsx";
import { Recordings } from "../parts/recordings.tsx";
import { SiteState, SiteTask, taskOf } from "../parts/site-state.tsx";
import { useRead } from "../use-read.ts";

/** The page. */
export function SitePage({ runId, site }: { readonly runId: string; readonly site: string }) {
	const { run, status } = useLive();
	// Read again when the run has gone on.
	const key = `${run?.sites.find((row) => row.site === site)?.numUpdates} ${run?.phase.round} ${run?.phase.kind}`;
	const path = `/runs/${encodeURIComponent(runId)}/sites/${encodeURIComponent(site)}`;
	const { data, error } = useRead(path, siteHistorySchema, key);
	const member = status?.sites.find((one) => one.site === site);
	if (error !== null) return <Failure text={error} />;
	return (
		<>
			<header class="page-head">
				<div>
					<p class="crumbs">
						<Link to={pathOf("runs", runId)}>{runId}</Link> / site
					</p>
					<h1>{site}</h1>
					<p class="quiet">
						key {shortHash(member?.key)}
						{member?.signs === false && ", does not sign its updates"}
					</p>
				</div>
				{status !== null && <SiteState state={member} />}
			</header>
			{member?.paused != null && (
				<p class="callout" role="status">
					<strong>Paused</strong> {member.paused}; its tasks wait until its hours begin again
				</p>
			)}
			{data === null ? <Empty>Loading…</Empty> : <History history={data} member={member} />}
		</>
	);
}

const newest = (values: readonly (number | null)[] | undefined): number | null =>
	values?.findLast((value) => value !== null) ?? null;

function History({
	history,
	member,
}: {
	readonly history: SiteHistory;
	readonly member: SiteStatus | undefined;
}) {
	const { run, status } = useLive();
	const row = run?.sites.find(({ site }) => site === history.site);
	const isRunning = run?.status === "running";
	const task = status === null || !isRunning ? undefined : taskOf(history.site, { status, runId: run.runId });
	return (
		<>
			<dl class="figures">
				<Figure
					name="Loss here"
					value={formatLoss(newest(history.loss))}
					note={
						history.loss.length > 1 && history.loss[0] != null
							? `${formatChange(history.loss[0], newest(history.loss)) ?? "–"} since the base model`
							: null
					}
					hint="Held-out loss here of the newest global weights"
				/>
				<Figure name="Samples" value={formatCount(history.numSamples)} note="stay here" />
				<Figure name="Share" value={formatPercent(newest(history.weight))} note="in the newest weights" />
				<Figure name="Update" value={formatBytes(newest(history.updateBytes))} note="sent per round" />
				<Figure
					name="Speed"
					value={newest(history.training["samplesPerSecond"])?.toPrecision(3) ?? "–"}
					note="samples a second"
				/>
				<Figure
					name="Health"
					hint="Whether something was heard of the site in the last seconds"
					value={member === undefined ? "–" : heardOf(member)}
					note={row === undefined ? null : problemsIn(row.numProblems, row.numUpdates)}
				/>
			</dl>
			<div class="columns">
				<Card title="Loss, local against global" span={3} aside={<SiteTask task={task} />}>
					<LocalAndGlobal history={history} />
				</Card>
				<Card title="Error per joint, in degrees" span={3}>
					<Joints heldOut={history.heldOut} />
				</Card>
				<Card title="Recordings">
					<Recordings details={history.details} />
				</Card>
				<Card title="What went wrong here" span={2} aside={<Badge>{history.incidents.length}</Badge>}>
					<Incidents incidents={history.incidents} />
				</Card>
			</div>
		</>
	);
}

/** A site says something every few seconds. */
const TALKS_EVERY_SECONDS = 5;

function heardOf({ isOnline, secondsSilent }: SiteStatus): string {
	if (secondsSilent === null) return "not heard yet";
	if (isOnline && secondsSilent <= TALKS_EVERY_SECONDS) return "good";
	return `silent ${formatSeconds(secondsSilent)}`;
}

function problemsIn(numProblems: number, numUpdates: number): string {
	const updates = `${formatCount(numUpdates)} update${numUpdates === 1 ? "" : "s"} counted`;
	return numProblems === 0
		? updates
		: `${updates}, ${formatCount(numProblems)} problem${numProblems === 1 ? "" : "s"}`;
}

/** The global weights on this site's held-out recordings and on everybody's, and the local weights there and while they train. */
function LocalAndGlobal({ history }: { readonly history: SiteHistory }) {
	const { run } = useLive();
	const everywhere = run?.rounds.map(({ loss }) => loss) ?? [];
	// A site that holds nothing out has a loss only while it trains.
	if (![history.loss, history.training["loss"]].some((values) => newest(values) !== null))
		return <Empty>No loss was measured here yet</Empty>;
	const x = Array.from({ length: Math.max(history.loss.length, everywhere.length) }, (_, round) => round);
	const at = (values: readonly (number | null)[] | undefined): (number | null)[] =>
		x.map((round) => values?.[round] ?? null);
	const base = history.loss.find((value) => value !== null) ?? null;
	const local = history.training["heldOutLoss"];
	const curves: Curve[] = [
		{ name: "global weights, here", values: at(history.loss), colour: "series-0", width: 2.5 },
		{ name: "global weights, all sites", values: at(everywhere), colour: "ink", width: 1.5 },
		...(local === undefined
			? []
			: [{ name: "local weights, here", values: at(local), colour: "series-2", width: 2.5 }]),
		{
			name: "local weights, in training",
			values: at(history.training["loss"]),
			colour: "series-1",
			width: 1.5,
		},
		{ name: "base model, here", values: x.map(() => base), colour: "muted", width: 1.5, isDashed: true },
	];
	return (
		<LineChart
			label={`Loss at ${history.site} over rounds`}
			x={x}
			xName="round"
			curves={curves}
			format={(value) => value.toPrecision(3)}
			syncKey="site"
		/>
	);
}

const JOINT = "jointError.";
const MAX_COLUMNS = 16;

function Joints({ heldOut }: { readonly heldOut: SiteHistory["heldOut"] }) {
	const joints = Object.entries(heldOut).filter(([name]) => name.startsWith(JOINT));
	if (joints.length === 0) return <Empty>No joint was measured here yet</Empty>;
	const numRounds = Math.max(...joints.map(([, values]) => values.length));
	const all = Array.from({ length: numRounds }, (_, round) => round);
	const measured = all.filter((round) => joints.some(([, values]) => values[round] != null));
	const step = Math.ceil(measured.length / MAX_COLUMNS);
	const shown = measured.filter((_, index) => (measured.length - 1 - index) % step === 0);
	const hold = joints.map(([name]) => newest(heldOut[name.replace(JOINT, "holdPoseError.")]));
	const known = joints.flatMap(([, values]) => values.filter((value) => value !== null));
	return (
		<>
			<p class="quiet">
				Distance between predicted and recorded actions on held-out frames. “Hold” is what doing nothing would
				give.
			</p>
			<HeatTable
				label="Error per joint and round, in degrees"
				corner="joint"
				columns={["hold", ...shown.map((round) => `round ${round}`)]}
				rows={joints.map(([name, values], index) => ({
					name: name.slice(JOINT.length).replace(/\.pos$/, ""),
					values: [hold[index] ?? null, ...shown.map((round) => values[round] ?? null)],
				}))}
				format={(value) => value.toFixed(1)}
				range={[0, Math.max(...known)]}
			/>
		</>
	);
}
