// Where everything of a run lies: `<out>/<run id>/`.
import { join } from "node:path";

/** The paths of one run. */
export interface RunPaths {
	readonly root: string;
	readonly id: string;
	/** The resolved configuration. */
	readonly config: string;
	/** The single source of truth. */
	readonly events: string;
	readonly metrics: string;
	readonly report: string;
	readonly lossChart: string;
	readonly previews: string;
	/** Names the process that works on the run. */
	readonly lock: string;
	/** The app bundle that Flower's nodes run; there only when the run has one. */
	readonly app: string;
	/** The federation's own files: weights, updates and tasks in progress. */
	readonly federation: string;
	/** What sites keep between rounds. */
	readonly siteState: string;
	/** What `zk0 train` did, line by line. */
	readonly trainingLog: string;
	/** Checkpoints inside a training. */
	readonly trainingState: string;
	/** The trained model of `zk0 train`: not bound, and bound to its site. */
	readonly trainedGlobal: string;
	readonly trainedModel: string;
	/** The trained tensors of the initial model, as the federation starts from them. */
	readonly initialWeights: string;
	/** The whole global checkpoint of a round: not bound to any site. */
	globalCheckpoint(round: number): string;
	/** The checkpoint of a round bound to a site: what LeRobot opens. */
	siteCheckpoint(round: number, site: string): string;
}

/** The paths of run `id` under `out`. */
export function runPaths(out: string, id: string): RunPaths {
	const root = join(out, id);
	const round = (number: number): string => join(root, "checkpoints", `round_${number}`);
	return {
		root,
		id,
		config: join(root, "config.json"),
		events: join(root, "events.jsonl"),
		metrics: join(root, "metrics.json"),
		report: join(root, "report.html"),
		lossChart: join(root, "loss.svg"),
		previews: join(root, "previews.json"),
		lock: join(root, "run.lock"),
		app: join(root, "app.fab"),
		federation: join(root, "federation"),
		siteState: join(root, "site-state"),
		trainingLog: join(root, "training.jsonl"),
		trainingState: join(root, "training-state"),
		trainedGlobal: join(root, "checkpoint", "global"),
		trainedModel: join(root, "checkpoint", "pretrained_model"),
		initialWeights: join(root, "federation", "initial.safetensors"),
		globalCheckpoint: (number) => join(round(number), "global"),
		siteCheckpoint: (number, site) => join(round(number), "sites", site, "pretrained_model"),
	};
}
