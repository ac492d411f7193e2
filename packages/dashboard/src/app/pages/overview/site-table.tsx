// The sites of a run, a row each.
import type { RunView, ServerStatus, SiteRow } from "@zk0/dashboard/views";
import { formatChange, formatCount, formatLoss } from "../../format.ts";
import { pathOf } from "../../location.ts";
import { Empty } from "../../parts/card.tsx";
import { Link } from "../../parts/link.tsx";
import { SiteState, SiteTask, taskOf } from "../../parts/site-state.tsx";
import { type Column, Table } from "../../parts/table.tsx";

/** The table. */
export function SiteTable({ run, status }: { readonly run: RunView; readonly status: ServerStatus }) {
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
