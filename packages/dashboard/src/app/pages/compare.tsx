// Runs beside each other: curves over rounds or bytes, and the settings in which they differ. The choice is in the address.
import {
	type RunLine,
	type RunSettings,
	type RunView,
	runLineSchema,
	runSettingsSchema,
	runViewSchema,
} from "@zk0/dashboard/views";
import { z } from "zod";
import { read } from "../api.ts";
import { LineChart } from "../charts/line-chart.tsx";
import { formatBytes, formatChange, formatLoss, formatTime, formatValue } from "../format.ts";
import { useLive } from "../live.ts";
import { pathOf, setQuery, usePlace } from "../location.ts";
import { Card, Empty, Failure, RunBadge } from "../parts/card.tsx";
import { Link } from "../parts/link.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { seriesName } from "../theme.ts";
import { useLoaded, useRead } from "../use-read.ts";
import { overBytes, overRounds } from "./compare/curves.ts";

const runsSchema = z.object({ runs: z.array(runLineSchema) });
const snapshotSchema = z.object({ view: runViewSchema });
/** More curves cannot be told apart. */
const MAX_COMPARED = 8;

/** The page. */
export function Compare() {
	const { status } = useLive();
	const { query } = usePlace();
	const states = status?.runs.map(({ runId, state, round }) => `${runId} ${state} ${round}`).join();
	const { data, error } = useRead("/runs", runsSchema, states);
	if (error !== null) return <Failure text={error} />;
	if (data === null) return <Empty>Loading…</Empty>;
	// The server knows at once how a run stands, its log with the next event.
	const stateOf = new Map(status?.runs.map(({ runId, state }) => [runId, state]));
	const newest = data.runs.map((run) => ({ ...run, status: stateOf.get(run.runId) ?? run.status })).reverse();
	const asked = query.get("runs")?.split(",") ?? newest.slice(0, 3).map(({ runId }) => runId);
	const chosen = asked.filter((runId) => data.runs.some((run) => run.runId === runId)).slice(0, MAX_COMPARED);
	const choose = (runId: string, isChosen: boolean): void =>
		setQuery("runs", (isChosen ? [...chosen, runId] : chosen.filter((one) => one !== runId)).join(","));
	return (
		<>
			<header class="page-head">
				<h1>Compare runs</h1>
			</header>
			<div class="columns">
				<Card title="Runs" span={3}>
					{newest.length === 0 ? (
						<Empty>No run yet. Start one on the server: zk0 run --rounds 10</Empty>
					) : (
						<Table
							label="Runs"
							rows={newest}
							columns={columnsOf(chosen, choose)}
							keyOf={({ runId }) => runId}
							limit={20}
						/>
					)}
				</Card>
				{chosen.length > 0 && <Chosen key={chosen.join()} chosen={chosen} version={states ?? ""} />}
			</div>
		</>
	);
}

function Chosen({ chosen, version }: { readonly chosen: readonly string[]; readonly version: string }) {
	const { query } = usePlace();
	const { data: loaded, error } = useLoaded(
		chosen.join(),
		(signal) => Promise.all(chosen.map((runId) => load(runId, signal))),
		version,
	);
	if (error !== null) return <Failure text={error} />;
	if (loaded === null) return <Empty>Loading…</Empty>;
	const isByBytes = query.get("x") === "bytes";
	const { x, curves } = isByBytes ? overBytes(loaded) : overRounds(loaded);
	return (
		<>
			<Card
				title={isByBytes ? "Loss over bytes sent by the sites" : "Loss over rounds"}
				span={3}
				aside={
					<div class="choice" role="group" aria-label="Over what">
						<button type="button" aria-pressed={!isByBytes} onClick={() => setQuery("x", null)}>
							rounds
						</button>
						<button type="button" aria-pressed={isByBytes} onClick={() => setQuery("x", "bytes")}>
							bytes
						</button>
					</div>
				}
			>
				{x.length === 0 ? (
					<Empty>None of these runs has measured a loss yet</Empty>
				) : (
					<LineChart
						label="Held-out loss of the chosen runs"
						x={x}
						xName={isByBytes ? "sent" : "round"}
						curves={curves}
						format={(value) => value.toPrecision(3)}
						{...(isByBytes ? { formatX: formatBytes } : {})}
						height={320}
					/>
				)}
			</Card>
			<Card title="Settings that differ" span={3}>
				<Differences loaded={loaded} />
			</Card>
		</>
	);
}

interface Loaded {
	readonly runId: string;
	readonly view: RunView;
	readonly settings: RunSettings["settings"];
}

async function load(runId: string, signal: AbortSignal): Promise<Loaded> {
	const path = `/runs/${encodeURIComponent(runId)}`;
	const [{ view }, { settings }] = await Promise.all([
		read(path, snapshotSchema, signal),
		read(`${path}/settings`, runSettingsSchema, signal),
	]);
	return { runId, view, settings };
}

function Differences({ loaded }: { readonly loaded: readonly Loaded[] }) {
	if (loaded.length < 2) return <Empty>Choose two runs or more</Empty>;
	const names = [...new Set(loaded.flatMap(({ settings }) => Object.keys(settings)))].sort();
	const rows = names.filter(
		(name) => new Set(loaded.map(({ settings }) => JSON.stringify(settings[name] ?? null))).size > 1,
	);
	if (rows.length === 0) return <Empty>These runs have the same settings</Empty>;
	const columns: Column<string>[] = [
		{ name: "Setting", cell: (name) => <code>{name}</code> },
		...loaded.map(
			({ runId, settings }): Column<string> => ({ name: runId, cell: (name) => formatValue(settings[name]) }),
		),
	];
	return <Table label="Settings that differ" rows={rows} columns={columns} keyOf={(name) => name} />;
}

function columnsOf(
	chosen: readonly string[],
	choose: (runId: string, isChosen: boolean) => void,
): readonly Column<RunLine>[] {
	return [
		{
			name: "Shown",
			cell: ({ runId }) => (
				<input
					type="checkbox"
					aria-label={`Show ${runId}`}
					checked={chosen.includes(runId)}
					disabled={!chosen.includes(runId) && chosen.length >= MAX_COMPARED}
					onChange={(event) => choose(runId, event.currentTarget.checked)}
				/>
			),
		},
		{
			name: "Run",
			cell: ({ runId }) => (
				<>
					{chosen.includes(runId) && <i class={`swatch ${seriesName(chosen.indexOf(runId))}`} />}{" "}
					<Link to={pathOf("runs", runId)}>{runId}</Link>
				</>
			),
			sortBy: ({ runId }) => runId,
		},
		{ name: "State", cell: ({ status }) => <RunBadge status={status} />, sortBy: ({ status }) => status },
		{ name: "Started", cell: ({ createdAt }) => formatTime(createdAt), sortBy: ({ createdAt }) => createdAt },
		{ name: "Strategy", cell: ({ strategy }) => strategy ?? "–", sortBy: ({ strategy }) => strategy },
		{
			name: "Rounds",
			isNumber: true,
			cell: ({ round, numRounds }) => `${round} of ${numRounds ?? "–"}`,
			sortBy: ({ round }) => round,
		},
		{ name: "Sites", isNumber: true, cell: ({ numSites }) => numSites, sortBy: ({ numSites }) => numSites },
		{ name: "Loss", isNumber: true, cell: ({ loss }) => formatLoss(loss), sortBy: ({ loss }) => loss },
		{
			name: "Change",
			isNumber: true,
			cell: ({ initialLoss, loss }) => formatChange(initialLoss, loss) ?? "–",
			sortBy: ({ initialLoss, loss }) => (initialLoss === null || loss === null ? null : loss / initialLoss),
		},
		{
			name: "Sent",
			isNumber: true,
			cell: ({ bytesUp }) => formatBytes(bytesUp),
			sortBy: ({ bytesUp }) => bytesUp,
		},
	];
}
