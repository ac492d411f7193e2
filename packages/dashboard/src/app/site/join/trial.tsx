// Step 5: one training step on the site's own recordings, and what that says of a round here.
import type { JoinView } from "@zk0/dashboard/views";
import { useState } from "preact/hooks";
import { formatBytes, formatLoss, formatSeconds, formatShort } from "../../format.ts";
import { Badge, Card, Empty, Failure, Figure } from "../../parts/card.tsx";
import { useAct } from "../act.ts";
import { JobState, Onward } from "./parts.tsx";

/** The step. */
export function TrialStep({ join: { cameras, trial, numCores } }: { readonly join: JoinView }) {
	const { ask, isBusy, failure } = useAct();
	const [threads, setThreads] = useState(trial?.threads ?? 1);
	if (cameras?.chosen == null)
		return (
			<Card title="5. A test step">
				<Empty>Say which camera is which first</Empty>
			</Card>
		);
	const result = trial?.result ?? null;
	return (
		<Card title="5. A test step" aside={result === null ? undefined : <Badge tone="good">it works</Badge>}>
			<p>
				This machine takes a few real training steps on your recordings with zk0’s small model. Nothing is
				sent, and what was learnt is thrown away.
			</p>
			<div class="one-field">
				<label for="threads">Cores that the client may use</label>
				<select
					id="threads"
					value={threads}
					onChange={(event) => setThreads(Number(event.currentTarget.value))}
				>
					{Array.from({ length: numCores }, (_, index) => index + 1).map((count) => (
						<option key={count} value={count}>
							{count} of {numCores}
						</option>
					))}
				</select>
				<button
					type="button"
					class={result === null ? "primary" : ""}
					disabled={isBusy || trial?.job.state === "running"}
					onClick={() => void ask("/join/trial", { threads })}
				>
					{result === null ? "Take a step" : "Take another"}
				</button>
			</div>
			{failure !== null && <Failure text={failure} />}
			{trial !== null && <JobState job={trial.job} doing="Training" />}
			{result !== null && (
				<>
					<dl class="figures">
						<Figure
							name="One step"
							value={formatShort(result.stepSeconds)}
							note={`${result.batchSize} frames, ${trial?.threads} of ${numCores} cores`}
						/>
						<Figure name="Loss" value={formatLoss(result.loss)} note="before any training here" />
						<Figure
							name="Memory"
							value={formatBytes(result.peakBytes)}
							note={`${formatBytes(result.availableBytes)} free`}
						/>
						<Figure
							name="A round takes about"
							value={formatSeconds(result.roundSeconds)}
							note={`${result.roundSteps} steps, as runs have by default`}
						/>
					</dl>
					<p class="quiet">
						Getting ready took {formatSeconds(result.prepareSeconds)}; that happens once per run. What a round
						really takes depends on the model and the steps that the operator chose.
					</p>
					{result.fullSize !== null && (
						<section class="chosen" aria-label="At full size">
							<h3>At full size, reckoned from this machine’s speed</h3>
							<dl class="facts spaced">
								{result.fullSize.map(({ name, text }) => (
									<div key={name}>
										<dt>{name}</dt>
										<dd>{text}</dd>
									</div>
								))}
							</dl>
						</section>
					)}
				</>
			)}
			<Onward to="go" isDone={result !== null} />
		</Card>
	);
}
