// One round in full: who took part with which share, what their updates look like, what was refused and why, hashes and
// signatures.
import { type RoundPart, roundViewSchema } from "@zk0/dashboard/views";
import { TimelineChart, TimelineLegend } from "../charts/timeline-chart.tsx";
import {
	formatBytes,
	formatCount,
	formatLoss,
	formatPercent,
	formatSeconds,
	secondsBetween,
	shortHash,
} from "../format.ts";
import { useLive } from "../live.ts";
import { go, pathOf } from "../location.ts";
import { Badge, Card, Empty, Failure, Figure } from "../parts/card.tsx";
import { Incidents } from "../parts/incidents.tsx";
import { Link } from "../parts/link.tsx";
import { useNow } from "../parts/now.ts";
import { formatCosine, SimilarityTable } from "../parts/similarity.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { useRead } from "../use-read.ts";

/** The page. */
export function RoundPage({ runId, round }: { readonly runId: string; readonly round: number }) {
	const { run } = useLive();
	const row = run?.rounds[round];
	// Read again with every event of the round.
	const key = round === run?.phase.round ? run.lastAt : row?.endAt;
	const { data, error } = useRead(`/runs/${encodeURIComponent(runId)}/rounds/${round}`, roundViewSchema, key);
	const isOpen = run?.status === "running" && round === run.phase.round;
	const now = useNow(isOpen);
	if (error !== null) return <Failure text={error} />;
	const lastRound = run?.phase.round ?? 0;
	return (
		<>
			<header class="page-head">
				<div>
					<p class="crumbs">
						<Link to={pathOf("runs", runId)}>{runId}</Link> / round
					</p>
					<h1>{round === 0 ? "Round 0: the base model" : `Round ${round}`}</h1>
				</div>
				<nav class="steps" aria-label="Rounds">
					<label class="pick">
						Go to round{" "}
						<input
							key={round}
							type="number"
							min={0}
							max={lastRound}
							value={round}
							onChange={(event) => {
								const wanted = event.currentTarget.valueAsNumber;
								if (Number.isInteger(wanted) && wanted >= 0 && wanted <= lastRound)
									go(pathOf("runs", runId, "rounds", wanted));
							}}
						/>
					</label>
					{round > 0 && <Link to={pathOf("runs", runId, "rounds", round - 1)}>← round {round - 1}</Link>}
					{round < lastRound && (
						<Link to={pathOf("runs", runId, "rounds", round + 1)}>round {round + 1} →</Link>
					)}
				</nav>
			</header>
			{data === null ? (
				<Empty>Loading…</Empty>
			) : data.timeline === null ? (
				<Empty>
					{run?.phase.kind === "over" ? "The run ended before this round" : "This round has not begun"}
				</Empty>
			) : (
				<>
					<dl class="figures">
						<Figure name="Loss" value={formatLoss(data.loss)} note="of the new weights" />
						<Figure name="Time" value={formatSeconds(secondsBetween(data.startedAt, data.endAt))} />
						<Figure name="Aggregation" value={formatSeconds(data.aggregateSeconds)} />
						<Figure
							name="Sent by sites"
							value={formatBytes(data.bytesUp)}
							note={`${formatBytes(data.bytesDown)} sent to them`}
						/>
						<Figure name="Attempt" value={data.attempt ?? "–"} />
						<Figure
							name="FedProx μ"
							value={data.proximalMu ?? "–"}
							hint="Pull towards the global weights; 0 is off"
						/>
					</dl>
					<div class="columns">
						<Card title="Who did what when" span={3} aside={<TimelineLegend timeline={data.timeline} />}>
							<TimelineChart
								timeline={data.timeline}
								// A round that its run left open ended with the run's last word.
								nowMs={isOpen ? now : Date.parse(data.endAt ?? run?.lastAt ?? "") || now}
							/>
						</Card>
						<Card title="Updates" span={3}>
							<Table
								label="Updates of the round"
								rows={data.parts}
								columns={columnsOf(runId)}
								keyOf={({ site }) => site}
								limit={50}
							/>
						</Card>
						<Card title="How the updates lie to each other" span={3}>
							<SimilarityTable similarity={data.similarity} parts={data.parts} />
						</Card>
						<Card title="Weights">
							<dl class="facts">
								<div>
									<dt>SHA-256 of the new weights</dt>
									<dd>
										<code class="hash">{data.weightsSha256 ?? "–"}</code>
									</dd>
								</div>
							</dl>
						</Card>
						<Card title="Refused and failed" span={2}>
							<Incidents incidents={data.incidents} nothing="Nothing was refused and nobody failed" />
						</Card>
					</div>
				</>
			)}
		</>
	);
}

const TONE = {
	asked: "live",
	received: "live",
	counted: "good",
	refused: "warn",
	failed: "bad",
	late: "warn",
	measured: "plain",
} as const;

function columnsOf(runId: string): readonly Column<RoundPart>[] {
	const metric = (part: RoundPart, name: string): number | null => part.training?.[name] ?? null;
	return [
		{
			name: "Site",
			cell: ({ site }) => <Link to={pathOf("runs", runId, "sites", site)}>{site}</Link>,
			sortBy: ({ site }) => site,
		},
		{
			name: "State",
			cell: ({ state }) => <Badge tone={TONE[state]}>{state}</Badge>,
			sortBy: ({ state }) => state,
		},
		{
			name: "Share",
			isNumber: true,
			hint: "In the new weights",
			cell: ({ weight }) => formatPercent(weight),
			sortBy: ({ weight }) => weight,
		},
		{
			name: "Samples",
			isNumber: true,
			cell: ({ numSamples }) => formatCount(numSamples),
			sortBy: ({ numSamples }) => numSamples,
		},
		{
			name: "Training loss",
			isNumber: true,
			cell: (part) => formatLoss(metric(part, "loss")),
			sortBy: (part) => metric(part, "loss"),
		},
		{
			name: "Update norm",
			isNumber: true,
			hint: "L2 norm of what the site changed; clipped: only a part of it counts",
			cell: ({ norm, scale }) => (
				<>
					{formatLoss(norm)}{" "}
					{scale !== null && scale < 1 && <Badge tone="warn">clipped to {formatPercent(scale)}</Badge>}
				</>
			),
			sortBy: ({ norm }) => norm,
		},
		{
			name: "Cosine",
			isNumber: true,
			hint: "Of what the site changed with the mean of the others: 1 the same direction, below 0 against them",
			cell: ({ alignment }) => formatCosine(alignment),
			sortBy: ({ alignment }) => alignment,
		},
		{
			name: "Held-out loss",
			isNumber: true,
			hint: "Of the new weights, at this site",
			cell: ({ loss }) => formatLoss(loss),
			sortBy: ({ loss }) => loss,
		},
		{
			name: "Size",
			isNumber: true,
			cell: ({ update }) => formatBytes(update?.sizeBytes),
			sortBy: ({ update }) => update?.sizeBytes ?? null,
		},
		{
			name: "SHA-256",
			cell: ({ update }) => <code title={update?.sha256}>{shortHash(update?.sha256)}</code>,
		},
		{
			name: "Signed",
			hint: "Fingerprint of the site's key; the signature was checked when the update came",
			cell: ({ update }) =>
				update === null ? (
					"–"
				) : update.signedBy === null ? (
					<Badge tone="warn">not signed</Badge>
				) : (
					<Badge tone="good" title={`key ${update.signedBy}`}>
						✓ {update.signedBy.slice(0, 8)}
					</Badge>
				),
		},
	];
}
