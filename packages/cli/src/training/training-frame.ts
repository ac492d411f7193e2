// A training as `zk0 runs show` prints it.

import type { RunPaths, RunRecord, TrainingSummary } from "@zk0/records";
import { formatChange, formatLoss } from "@zk0/records/format";
import { renderFrame } from "../progress/frame.ts";
import type { Paint } from "../progress/paint.ts";

/** The frame, what people should know of, and how to go on. */
export function renderTrainingRun(
	paths: RunPaths,
	training: NonNullable<RunRecord["training"]>,
	{ status, steps, initialLoss, finalLoss, modelSha256, incidents }: TrainingSummary,
	paint: Paint,
): string {
	const title = `Training ${paths.id} ${{ completed: "completed", stopped: "stopped", running: "is not finished" }[status]}`;
	const change = formatChange(initialLoss, finalLoss);
	const rows: [string, string][] = [
		["saved steps", `${steps}/${training.steps}, every ${training.saveFreq}`],
		["held-out loss", `${formatLoss(initialLoss)} → ${formatLoss(finalLoss)}  ${change}`],
		["directory", paths.root],
		...(modelSha256 === null ? [] : [["SHA-256", modelSha256] satisfies [string, string]]),
	];
	return [
		renderFrame(
			title,
			[{ header: null, rows: rows.map(([name, value]) => [paint.dim(name), value]) }],
			paint,
		),
		...incidents.map(({ at, text }) => paint.warn(`${at.slice(0, 19).replace("T", " ")}  ${text}`)),
		...(status === "completed" ? [] : [`continue with: zk0 runs resume ${paths.id}`]),
	].join("\n");
}
