// A run in six numbers.
import type { RunView, ServerStatus } from "@zk0/dashboard/views";
import {
	formatBytes,
	formatChange,
	formatCount,
	formatLoss,
	formatSeconds,
	secondsBetween,
} from "../../format.ts";
import { Figure } from "../../parts/card.tsx";

/** The numbers. */
export function Figures({ run, status }: { readonly run: RunView; readonly status: ServerStatus }) {
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
