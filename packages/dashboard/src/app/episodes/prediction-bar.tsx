// Which model's actions stand beside the recorded ones, and how its prediction of this episode stands.
import type { PredictionView, RecordingsView } from "@zk0/dashboard/views";
import type { ComponentChildren, VNode } from "preact";
import { Failure } from "../parts/card.tsx";
import { formatJoint } from "./joint-plot.tsx";
import type { Prediction } from "./prediction.ts";

/** The choice of a model, and its prediction. */
export function PredictionBar({
	models,
	nothing,
	model,
	onChoose,
	prediction,
}: {
	readonly models: RecordingsView["models"];
	/** Said when there is none. */
	readonly nothing: ComponentChildren;
	/** Null: none is shown. */
	readonly model: string | null;
	readonly onChoose: (model: string | null) => void;
	readonly prediction: Prediction;
}) {
	if (models.length === 0) return <p class="prediction quiet">{nothing}</p>;
	return (
		<div class="prediction" role="group" aria-label="Prediction">
			<label>
				Predicted by{" "}
				<select
					value={model ?? ""}
					onChange={(event) => {
						const { value } = event.currentTarget;
						onChoose(value === "" ? null : value);
					}}
				>
					<option value="">nobody</option>
					{models.map(({ id, label }) => (
						<option key={id} value={id}>
							{label}
						</option>
					))}
				</select>
			</label>
			{model !== null && <Standing prediction={prediction} />}
		</div>
	);
}

function Standing({ prediction }: { readonly prediction: Prediction }): VNode {
	const { state, error } = prediction;
	if (error !== null) return <Failure text={error} />;
	if (state === null) return <span class="quiet">Looking for it…</span>;
	if (state.kind === "ready") return <Ready prediction={state.prediction} />;
	if (state.kind === "none")
		return (
			<>
				<span>This episode is not predicted yet.</span>
				<button type="button" class="primary" onClick={prediction.compute}>
					Compute
				</button>
			</>
		);
	if (state.kind === "failed")
		return (
			<>
				<Failure text={state.cure === null ? state.message : `${state.message}: ${state.cure}`} />
				<button type="button" onClick={prediction.compute}>
					Try again
				</button>
			</>
		);
	const { done, frames } = state;
	const hasBegun = frames > 0;
	return (
		<>
			<progress aria-label="Frames predicted" {...(hasBegun ? { value: done, max: frames } : {})} />
			<span>{hasBegun ? `${done} of ${frames} frames` : "Getting ready…"}</span>
			<button type="button" onClick={prediction.cancel}>
				Cancel
			</button>
		</>
	);
}

function Ready({ prediction }: { readonly prediction: PredictionView }) {
	const { every, chunks, jointErrorDeg, holdPoseErrorDeg } = prediction;
	const tone =
		holdPoseErrorDeg === null ? undefined : (jointErrorDeg ?? 0) < holdPoseErrorDeg ? "good" : "bad";
	return (
		<>
			{jointErrorDeg !== null && (
				<span>
					mean error <b class={tone}>{formatJoint(jointErrorDeg, "deg")}</b>
					{holdPoseErrorDeg !== null && `, of not moving ${formatJoint(holdPoseErrorDeg, "deg")}`}
				</span>
			)}
			<span class="quiet">
				{chunks.length} chunks, one every {every} frames, open loop
			</span>
		</>
	);
}
