// What the steps of joining are made of: work under way, and going on.
import type { JobView } from "@zk0/dashboard/views";
import type { ComponentChildren } from "preact";
import { formatSeconds } from "../../format.ts";
import { go } from "../../location.ts";
import { useNow } from "../../parts/now.ts";
import { inPlainWords } from "../act.ts";
import type { StepKey } from "./steps.ts";

/** Work under way, or why it failed; nothing once it is done. */
export function JobState({ job, doing }: { readonly job: JobView; readonly doing: string }) {
	const seconds = (useNow(job.state === "running") - Date.parse(job.startedAt)) / 1000;
	if (job.state === "done") return null;
	if (job.state === "failed")
		return (
			<div class="failure" role="alert">
				<p>{inPlainWords(job.failure?.message ?? "")}</p>
				{job.failure?.cure != null && <p>What to do: {job.failure.cure}</p>}
			</div>
		);
	return (
		<p class="working" role="status">
			<span class="spinner" aria-hidden="true" />
			<span>
				{doing}
				{seconds >= 2 && <span class="quiet"> · {formatSeconds(Math.floor(seconds))}</span>}
				{job.line !== null && <span class="quiet"> · {job.line}</span>}
			</span>
		</p>
	);
}

/** The end of a step: the way on, once it is done. */
export function Onward({
	to,
	isDone,
	children = "Continue",
}: {
	readonly to: StepKey;
	readonly isDone: boolean;
	readonly children?: ComponentChildren;
}) {
	return (
		<div class="onward">
			<button type="button" class="primary" disabled={!isDone} onClick={() => go(`/join/${to}`)}>
				{children}
			</button>
		</div>
	);
}

/** A camera's name without what all of them begin with. */
export function shortCamera(key: string): string {
	return key.replace(/^observation\.images?\./, "");
}
