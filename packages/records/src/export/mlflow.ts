// A run in MLflow's file store (`mlruns/`): an experiment, a run with parameters, tags and metrics by round. Read it with
// `mlflow ui --backend-store-uri <folder>`.
import { createHash } from "node:crypto";
import type { RunRecord } from "../run-directory/run-record.ts";
import type { RunSummary } from "../run-directory/run-summary.ts";
import { roundTimes, runScalars } from "./run-tables.ts";

/** MLflow numbers experiments; one of this number holds zk0's runs. */
const EXPERIMENT_ID = "205";
/** MLflow's RunStatus. */
const STATUS = { running: 1, completed: 3, failed: 4, stopped: 5 } as const;
/** Names that MLflow takes: letters, digits, `_`, `-`, `.`, space, `:` and `/`. */
const FORBIDDEN = /[^\w\-./ :]/g;
/** MLflow cuts parameters beyond. */
const MAX_PARAM_LENGTH = 6000;

/** Files by path below `mlruns/`. */
export function toMlflow(run: RunSummary, record: RunRecord): Map<string, string> {
	const runId = createHash("sha256").update(record.runId).digest("hex").slice(0, 32);
	const root = `${EXPERIMENT_ID}/${runId}`;
	const times = roundTimes(run);
	const startMs = run.startedAt === null ? 0 : Date.parse(run.startedAt);
	const endMs = run.status === "running" ? null : Math.max(startMs, ...times.values());
	const files = new Map<string, string>([
		[
			`${EXPERIMENT_ID}/meta.yaml`,
			yaml({
				artifact_location: null,
				creation_time: startMs,
				experiment_id: EXPERIMENT_ID,
				last_update_time: endMs ?? startMs,
				lifecycle_stage: "active",
				name: "zk0",
			}),
		],
		[
			`${root}/meta.yaml`,
			yaml({
				artifact_uri: null,
				end_time: endMs,
				entry_point_name: "",
				experiment_id: EXPERIMENT_ID,
				lifecycle_stage: "active",
				run_id: runId,
				run_name: record.runId,
				run_uuid: runId,
				source_name: "zk0",
				source_type: 4,
				source_version: record.machine.zk0,
				start_time: startMs,
				status: STATUS[run.status],
				tags: [],
				user_id: "",
			}),
		],
		[`${root}/tags/mlflow.runName`, record.runId],
		[`${root}/tags/strategy`, run.strategy ?? ""],
	]);
	for (const [key, value] of Object.entries(record.config)) {
		const text = typeof value === "string" ? value : JSON.stringify(value);
		files.set(`${root}/params/${key.replaceAll(FORBIDDEN, "_")}`, text.slice(0, MAX_PARAM_LENGTH));
	}
	for (const { tag, round, value } of runScalars(run)) {
		const path = `${root}/metrics/${tag.replaceAll(FORBIDDEN, "_")}`;
		files.set(path, `${files.get(path) ?? ""}${times.get(round) ?? startMs} ${value} ${round}\n`);
	}
	return files;
}

/** Scalars and empty lists only; JSON's are YAML's. */
function yaml(values: Readonly<Record<string, string | number | null | readonly never[]>>): string {
	return Object.entries(values)
		.map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
		.join("");
}
