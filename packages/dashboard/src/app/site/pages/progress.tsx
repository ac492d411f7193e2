// How this site's client is doing: its connection, its task, the run so far, what went wrong; and starting and stopping it.
import type { ClientActivity, ClientRound, ClientTask, ClientView } from "@zk0/dashboard/views";
import { useState } from "preact/hooks";
import { type Curve, LineChart } from "../../charts/line-chart.tsx";
import {
	formatBytes,
	formatChange,
	formatCount,
	formatLoss,
	formatSeconds,
	formatTime,
} from "../../format.ts";
import { Badge, Card, Empty, Failure, Figure } from "../../parts/card.tsx";
import { Incidents } from "../../parts/incidents.tsx";
import { Link } from "../../parts/link.tsx";
import { useNow } from "../../parts/now.ts";
import { Table } from "../../parts/table.tsx";
import { useAct } from "../act.ts";
import { clientState } from "../client-state.ts";

/** The page. */
export function ProgressPage({ client }: { readonly client: ClientView }) {
	const { joined, activity } = client;
	if (joined === null)
		return (
			<Card title="This site">
				<Empty>
					This site belongs to no federation yet. <Link to="/join">Join one</Link>
				</Empty>
			</Card>
		);
	const { word, text, tone } = clientState(client);
	return (
		<>
			<header class="page-head">
				<div>
					<h1>{joined.site}</h1>
					<p class="quiet">
						at {joined.server}
						{joined.isEncrypted ? ", encrypted" : ", not encrypted"} · {joined.data}
					</p>
				</div>
				<Controls isRunning={client.pid !== null} />
			</header>
			<Card title="Now" aside={<Badge tone={tone}>{word}</Badge>}>
				<div role="status">
					<p>{text}</p>
				</div>
				{activity?.task != null && <TaskProgress task={activity.task} />}
			</Card>
			{activity === null ? <Empty /> : <Work activity={activity} />}
		</>
	);
}

function TaskProgress({ task }: { readonly task: ClientTask }) {
	const { runId, step, numSteps, loss, samplesPerSecond, startedAt, globalStep, totalSteps } = task;
	const seconds = Math.max(0, (useNow(true) - Date.parse(startedAt)) / 1000);
	const done = globalStep === null || totalSteps === null ? null : globalStep + (step ?? 0);
	return (
		<div class="task-now">
			<progress aria-label="Steps of this task" value={step ?? 0} max={numSteps ?? 1} />
			<dl class="facts inline">
				<Fact name="Run" value={runId} />
				<Fact name="Step" value={step === null ? "preparing" : `${step} of ${numSteps}`} />
				{task.phase === "train" && (
					<>
						<Fact name="Loss" value={formatLoss(loss)} />
						<Fact name="Samples a second" value={samplesPerSecond?.toPrecision(3) ?? "–"} />
					</>
				)}
				<Fact name="For" value={formatSeconds(seconds)} />
				{done !== null && <Fact name="Whole run" value={`${done} of ${totalSteps} steps`} />}
			</dl>
		</div>
	);
}

function Fact({ name, value }: { readonly name: string; readonly value: string }) {
	return (
		<div>
			<dt>{name}</dt>
			<dd>{value}</dd>
		</div>
	);
}

function Work({ activity }: { readonly activity: ClientActivity }) {
	const { rounds, incidents, bytesUp, bytesDown } = activity;
	const runId = activity.task?.runId ?? rounds.at(-1)?.runId ?? null;
	const own = rounds.filter((row) => row.runId === runId);
	const first = own.find(({ heldOutLoss }) => heldOutLoss !== null)?.heldOutLoss ?? null;
	const shared = own.findLast(({ heldOutLoss }) => heldOutLoss !== null)?.heldOutLoss ?? null;
	const trained = own.findLast(({ trainLoss }) => trainLoss !== null)?.trainLoss ?? null;
	const isLocalMeasured = rounds.some(({ localHeldOutLoss }) => localHeldOutLoss !== null);
	const last = own.findLast(({ trainSeconds }) => trainSeconds !== null);
	const change = formatChange(first, shared);
	return (
		<>
			<dl class="figures">
				<Figure
					name="Shared weights, here"
					value={formatLoss(shared)}
					note={change === null || own.length < 2 ? "held-out loss" : `${change} since the start`}
					hint="Loss of the federation's weights on recordings that this site does not train on"
				/>
				<Figure name="While training here" value={formatLoss(trained)} note="mean loss of the last round" />
				<Figure
					name="Last round"
					value={formatSeconds(last?.trainSeconds)}
					note={last === undefined ? undefined : `${formatCount(last.numSamples)} samples`}
				/>
				<Figure name="Sent" value={bytesUp === 0 ? "–" : formatBytes(bytesUp)} note="since joining" />
				<Figure name="Received" value={bytesDown === 0 ? "–" : formatBytes(bytesDown)} note="since joining" />
			</dl>
			<div class="columns">
				<Card title="Loss over rounds" span={2} aside={runId}>
					{own.length === 0 ? <Empty /> : <Losses rounds={own} />}
				</Card>
				<Card title="What went wrong" aside={<Badge>{incidents.length}</Badge>}>
					<Incidents incidents={incidents} />
				</Card>
				<Card title="Rounds" span={3}>
					{rounds.length === 0 ? (
						<Empty />
					) : (
						<Table
							label="Rounds at this site"
							rows={[...rounds].reverse()}
							keyOf={(row) => `${row.runId} ${row.round}`}
							columns={[
								{ name: "Run", cell: (row) => row.runId },
								{ name: "Round", isNumber: true, cell: (row) => row.round },
								{ name: "Shared weights, here", isNumber: true, cell: (row) => formatLoss(row.heldOutLoss) },
								...(isLocalMeasured
									? [
											{
												name: "own weights, here",
												isNumber: true,
												cell: (row: ClientRound) => formatLoss(row.localHeldOutLoss),
											},
										]
									: []),
								{ name: "While training", isNumber: true, cell: (row) => formatLoss(row.trainLoss) },
								{ name: "Steps", isNumber: true, cell: (row) => formatCount(row.numSteps) },
								{ name: "Samples", isNumber: true, cell: (row) => formatCount(row.numSamples) },
								{ name: "Trained for", isNumber: true, cell: (row) => formatSeconds(row.trainSeconds) },
								{ name: "At", cell: (row) => formatTime(row.at) },
							]}
						/>
					)}
				</Card>
			</div>
		</>
	);
}

function Losses({ rounds }: { readonly rounds: ClientActivity["rounds"] }) {
	const local = rounds.map(({ localHeldOutLoss }) => localHeldOutLoss);
	const curves: Curve[] = [
		{
			name: "shared weights, held out here",
			values: rounds.map(({ heldOutLoss }) => heldOutLoss),
			colour: "series-0",
			width: 2.5,
		},
		...(local.some((loss) => loss !== null)
			? [{ name: "own weights, held out here", values: local, colour: "series-2", width: 2.5 }]
			: []),
		{
			name: "own, while training",
			values: rounds.map(({ trainLoss }) => trainLoss),
			colour: "series-1",
			width: 1.5,
		},
	];
	return (
		<LineChart
			label="Loss over rounds: shared weights on held-out recordings, and own while training"
			x={rounds.map(({ round }) => round)}
			xName="round"
			curves={curves}
			format={(value) => value.toPrecision(3)}
		/>
	);
}

function Controls({ isRunning }: { readonly isRunning: boolean }) {
	const { ask: send, isBusy, failure } = useAct();
	const [isLeaving, setLeaving] = useState(false);
	const ask = (what: "start" | "stop" | "leave"): void => {
		setLeaving(false);
		void send(`/client/${what}`);
	};
	return (
		<div class="head-end">
			<div class="buttons">
				{isRunning ? (
					<button type="button" disabled={isBusy} onClick={() => ask("stop")}>
						Stop
					</button>
				) : (
					<button type="button" class="primary" disabled={isBusy} onClick={() => ask("start")}>
						Start
					</button>
				)}
				<button type="button" class="danger" disabled={isBusy} onClick={() => setLeaving(!isLeaving)}>
					Leave…
				</button>
			</div>
			{failure !== null && <Failure text={failure} />}
			{isLeaving && (
				<div class="callout" role="alertdialog" aria-label="Leave the federation?">
					<p>
						The client stops and forgets this federation. Recordings, the key and the site's name stay. To end
						the membership for good, ask the operator to revoke it.
					</p>
					<div class="buttons">
						<button type="button" class="danger" onClick={() => ask("leave")}>
							Leave the federation
						</button>
						<button type="button" onClick={() => setLeaving(false)}>
							Stay
						</button>
					</div>
				</div>
			)}
		</div>
	);
}
