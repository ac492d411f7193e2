// Recordings, episode by episode: cameras, joints and what a model would have done, on one clock. The address names the
// episode, the frame and the model.
import {
	type EpisodeView,
	episodeViewSchema,
	type PredictionView,
	type RecordingsView,
	recordingsViewSchema,
} from "@zk0/dashboard/views";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { setQuery, usePlace } from "../location.ts";
import { Empty, Failure } from "../parts/card.tsx";
import { useRead } from "../use-read.ts";
import { Cameras } from "./cameras.tsx";
import { EpisodeList } from "./episode-list.tsx";
import { JointPlot, type PlottedJoint } from "./joint-plot.tsx";
import { PartBadge } from "./part-badge.tsx";
import { type Player, usePlayer } from "./player.ts";
import { usePrediction, usePredictionProgress } from "./prediction.ts";
import { PredictionBar } from "./prediction-bar.tsx";
import { Transport } from "./transport.tsx";

/** The page. */
export function EpisodesPage({
	noModel,
	version = "",
}: {
	/** Said where there is no model to compare with. */
	readonly noModel: ComponentChildren;
	/** Changes when there may be other models. */
	readonly version?: string;
}) {
	const { data, error } = useRead("/recordings", recordingsViewSchema, version);
	const { query } = usePlace();
	if (error !== null) return <Failure text={error} />;
	if (data === null) return <Empty>Loading…</Empty>;
	const asked = Number(query.get("episode") ?? 0);
	const episode = data.episodes.find(({ index }) => index === asked) ?? data.episodes[0];
	if (episode === undefined) return <Empty>There is no episode in these recordings</Empty>;
	return (
		<div class="episodes">
			<EpisodeList
				recordings={data}
				shown={episode.index}
				onChoose={(index) => {
					setQuery("frame", null);
					setQuery("episode", String(index));
				}}
			/>
			<EpisodeShown key={episode.index} recordings={data} row={episode} noModel={noModel} />
		</div>
	);
}

function EpisodeShown({
	recordings,
	row,
	noModel,
}: {
	readonly recordings: RecordingsView;
	readonly noModel: ComponentChildren;
	readonly row: RecordingsView["episodes"][number];
}) {
	const { data, error } = useRead(`/episodes/${row.index}`, episodeViewSchema);
	const number =
		row.recordedIndex === row.index ? String(row.index) : `${row.index} (${row.recordedIndex} on disk)`;
	return (
		<section class="episode" aria-labelledby="episode-title">
			<div class="page-head">
				<div>
					<p class="crumbs">{recordings.dataset}</p>
					<h1 id="episode-title">Episode {number}</h1>
				</div>
				<p class="episode-task">
					<bdi>{row.tasks.join(", ")}</bdi> {row.part !== null && <PartBadge part={row.part} />}
				</p>
			</div>
			{error !== null && <Failure text={error} />}
			{data === null && error === null && <Empty>Loading…</Empty>}
			{data !== null && <Recording recordings={recordings} episode={data} noModel={noModel} />}
		</section>
	);
}

function Recording({
	recordings,
	episode,
	noModel,
}: {
	readonly recordings: RecordingsView;
	readonly noModel: ComponentChildren;
	readonly episode: EpisodeView;
}) {
	const { query } = usePlace();
	const player = usePlayer(episode.frames, recordings.fps, Number(query.get("frame") ?? 0) || 0);
	useFrameInAddress(player);
	const { models } = recordings;
	const model = models.find(({ id }) => id === query.get("model"))?.id ?? null;
	const prediction = usePrediction(model, episode.index, usePredictionProgress(model !== null));
	const { state } = prediction;
	const shown = model !== null && state?.kind === "ready" ? state.prediction : null;
	const joints = useMemo(() => jointsOf(recordings, episode, shown), [recordings, episode, shown]);
	return (
		<>
			<Cameras cameras={recordings.cameras} episode={episode} player={player} />
			<Transport player={player} />
			<PredictionBar
				models={models}
				nothing={noModel}
				model={model}
				onChoose={(id) => setQuery("model", id)}
				prediction={prediction}
			/>
			<ul class="legend">
				<li>
					<i class="line-sample recorded" />
					recorded action
				</li>
				<li>
					<i class="line-sample measured" />
					measured state
				</li>
				{shown !== null && (
					<li>
						<i class="line-sample predicted" />
						predicted action; ⌀ mean error over the episode
					</li>
				)}
				{shown !== null && (
					<li>
						<i class="line-sample chunk" />a chunk is planned
					</li>
				)}
			</ul>
			<div class="joints">
				{joints.map((joint) => (
					<JointPlot key={joint.name} joint={joint} chunks={shown?.chunks ?? []} player={player} />
				))}
			</div>
		</>
	);
}

/** Every number of the action with the state of the same name, then the states that are no actions. */
function jointsOf(
	{ actions, states }: RecordingsView,
	{ action, state }: EpisodeView,
	prediction: PredictionView | null,
): PlottedJoint[] {
	const ofActions = actions.map(({ name, unit }, joint): PlottedJoint => {
		const measured = states.findIndex((one) => one.name === name);
		const own = prediction?.joints[joint];
		return {
			name,
			unit,
			action: action[joint] ?? null,
			state: state[measured] ?? null,
			predicted: own?.predicted ?? null,
			error: own?.error ?? null,
			holdPose: own?.holdPose ?? null,
		};
	});
	const rest = states.flatMap(({ name, unit }, joint): PlottedJoint[] =>
		actions.some((one) => one.name === name)
			? []
			: [
					{
						name,
						unit,
						action: null,
						state: state[joint] ?? null,
						predicted: null,
						error: null,
						holdPose: null,
					},
				],
	);
	return [...ofActions, ...rest];
}

/** Time without a change after which the address is brought up to date; browsers bound how often that may happen. */
const ADDRESS_MS = 300;

function useFrameInAddress(player: Player): void {
	useEffect(() => {
		let timer = 0;
		const stop = player.subscribe(() => {
			clearTimeout(timer);
			if (player.isPlaying) return;
			timer = setTimeout(
				() => setQuery("frame", player.frame === 0 ? null : String(player.frame)),
				ADDRESS_MS,
			);
		});
		return () => {
			stop();
			clearTimeout(timer);
		};
	}, [player]);
}
