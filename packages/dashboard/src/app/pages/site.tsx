// One site in a run: how it is, what it recorded, how the global weights do there, joint by joint, and what failed.
import { type SiteHistory, siteHistorySchema } from "@zk0/dashboard/views";
import { HeatTable } from "../charts/heat-table.tsx";
import { type Curve, LineChart } from "../charts/line-chart.tsx";
import { formatBytes, formatCount, formatLoss, formatPercent, formatValue, shortHash } from "../format.ts";
import { useLive, useRead } from "../live.ts";
import { pathOf } from "../location.ts";
import { Badge, Card, Empty, Failure, Figure } from "../parts/card.tsx";
import { Incidents } from "../parts/incidents.tsx";
import { Link } from "../parts/link.tsx";

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
					<p class="quiet">key {shortHash(member?.key)}</p>
				</div>
				{member?.isOnline === true ? <Badge tone="good">online</Badge> : <Badge>offline</Badge>}
			</header>
			{data === null ? (
				<Empty>Loading…</Empty>
			) : (
				<History history={data} secondsSilent={member?.secondsSilent ?? null} />
			)}
		</>
	);
}

function History({
	history,
	secondsSilent,
}: {
	readonly history: SiteHistory;
	readonly secondsSilent: number | null;
}) {
	const { run } = useLive();
	const global = run?.rounds.map(({ loss }) => loss) ?? [];
	const numRounds = Math.max(history.loss.length, global.length);
	const x = Array.from({ length: numRounds }, (_, round) => round);
	const at = (values: readonly (number | null)[] | undefined): (number | null)[] =>
		x.map((round) => values?.[round] ?? null);
	const curves: Curve[] = [
		{ name: "global weights, here", values: at(history.loss), colour: "series-0", width: 2.5 },
		{ name: "global weights, all sites", values: at(global), colour: "ink", width: 1.5 },
		{ name: "while training here", values: at(history.training["loss"]), colour: "series-1", width: 1.5 },
	];
	const last = (values: readonly (number | null)[] | undefined): number | null =>
		values?.findLast((value) => value !== null) ?? null;
	return (
		<>
			<dl class="figures">
				<Figure
					name="Loss here"
					value={formatLoss(last(history.loss))}
					note={`${formatLoss(last(global))} over all sites`}
				/>
				<Figure name="Samples" value={formatCount(history.numSamples)} note="stay here" />
				<Figure name="Share" value={formatPercent(last(history.weight))} note="in the newest weights" />
				<Figure name="Update" value={formatBytes(last(history.updateBytes))} note="sent per round" />
				<Figure
					name="Speed"
					value={last(history.training["samplesPerSecond"])?.toPrecision(3) ?? "–"}
					note="samples a second"
				/>
				<Figure name="Last heard" value={secondsSilent === null ? "–" : `${secondsSilent} s ago`} />
			</dl>
			<div class="columns">
				<Card title="Loss here and everywhere" span={3}>
					{history.loss.some((value) => value !== null) ? (
						<LineChart
							label={`Loss at ${history.site} over rounds`}
							x={x}
							xName="round"
							curves={curves}
							format={(value) => value.toPrecision(3)}
							syncKey="site"
						/>
					) : (
						<Empty>No loss was measured here yet</Empty>
					)}
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
	const hold = joints.map(([name]) => {
		const values = heldOut[name.replace(JOINT, "holdPoseError.")];
		return values?.findLast((value) => value !== null) ?? null;
	});
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

const NAMES: Readonly<Record<string, string>> = {
	robotType: "Robot",
	fps: "Frames a second",
	tasks: "Tasks",
	cameras: "Cameras",
	numEpisodes: "Episodes",
};

/** What a site told about its recordings. */
export function Recordings({ details }: { readonly details: Readonly<Record<string, unknown>> }) {
	const entries = Object.entries(details);
	if (entries.length === 0) return <Empty>The site told nothing about its recordings yet</Empty>;
	return (
		<dl class="facts">
			{entries.map(([name, value]) => (
				<div key={name}>
					<dt>{NAMES[name] ?? name}</dt>
					<dd>
						{Array.isArray(value)
							? value.map((one) => <Badge key={formatValue(one)}>{formatValue(one)}</Badge>)
							: formatValue(value)}
					</dd>
				</div>
			))}
		</dl>
	);
}
