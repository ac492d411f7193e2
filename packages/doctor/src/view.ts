// Episodes that may be read, as the dataset package's readers take them.
import { type Episode, type LeRobotDataset, type Rows, TIMESTAMP_TOLERANCE_S } from "@zk0/dataset";
import { DoctorError } from "./errors.ts";
import type { Description } from "./survey/survey.ts";

/** What a view shows. */
export interface ViewOptions {
	/** Episodes, numbered anew from 0 in this order. */
	readonly episodes: readonly Episode[];
	/** Their rows, numbered likewise; absent for a view of pictures only. */
	readonly rows?: Rows;
	readonly tasks?: readonly string[];
}

/** A dataset of the given episodes. @throws DoctorError "nothing-left" from readRows when there are no rows */
export function datasetView(
	root: string,
	{ info, cameraKeys, tasks }: Description,
	options: ViewOptions,
): LeRobotDataset {
	const { rows } = options;
	const episodes = options.episodes.map((episode, index) => ({ ...episode, index }));
	return {
		root,
		info,
		fps: info.fps,
		robotType: info.robot_type ?? null,
		features: info.features,
		toleranceS: Math.min(TIMESTAMP_TOLERANCE_S, 0.25 / info.fps),
		selection: { episodes: episodes.map(({ recordedIndex }) => recordedIndex) },
		cameraKeys,
		stateDim: info.features["observation.state"]?.shape[0] ?? 0,
		actionDim: info.features["action"]?.shape[0] ?? 0,
		numFrames: episodes.reduce((sum, { length }) => sum + length, 0),
		numEpisodes: episodes.length,
		episodes,
		tasks: options.tasks ?? tasks ?? [],
		storedStats: null,
		async readRows() {
			if (rows === undefined)
				throw new DoctorError("nothing-left", `${root}: no rows were kept`, { file: root });
			return rows;
		},
		readEpisodeStats: async () => new Map(),
	};
}
