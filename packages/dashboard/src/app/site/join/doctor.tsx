// Step 4: what the data doctor says of the recordings. Errors stop here, unless somebody takes them on.
import type { FindingView, JoinView } from "@zk0/dashboard/views";
import { useEffect, useState } from "preact/hooks";
import { Badge, Card, Empty, Failure } from "../../parts/card.tsx";
import { type Act, useAct } from "../act.ts";
import { JobState, Onward, shortCamera } from "./parts.tsx";

/** The step. */
export function DoctorStep({ join: { data, doctor } }: { readonly join: JoinView }) {
	const { ask, isBusy, failure } = useAct();
	const isReady = data?.job.state === "done";
	useEffect(() => {
		if (isReady && doctor === null) void ask("/join/doctor");
	}, [isReady, doctor === null]);
	if (!isReady)
		return (
			<Card title="4. Data check">
				<Empty>Choose the recordings first</Empty>
			</Card>
		);
	const badge = doctor?.badge ?? null;
	const isGood = badge !== null && (badge.errors === 0 || doctor?.acceptsErrors === true);
	return (
		<Card title="4. Data check" aside={badge === null ? undefined : <Verdict {...badge} />}>
			<p>
				The doctor reads every row and a sample of the pictures. Its counts, not the recordings, are shown to
				the operator.
			</p>
			{failure !== null && <Failure text={failure} />}
			{doctor !== null && (
				<>
					<JobState job={doctor.job} doing="Examining the recordings" />
					{doctor.job.state === "running" && doctor.numEpisodes !== null && (
						<progress
							class="long"
							aria-label="Episodes examined"
							value={doctor.numDone}
							max={doctor.numEpisodes}
						/>
					)}
					{badge !== null && doctor.findings.length === 0 && (
						<Empty>Nothing is wrong with these recordings</Empty>
					)}
					{doctor.findings.length > 0 && (
						<ul class="findings">
							{doctor.findings.map((finding) => (
								<FindingLine key={`${finding.code} ${finding.camera} ${finding.place}`} finding={finding} />
							))}
						</ul>
					)}
				</>
			)}
			{doctor !== null && badge !== null && badge.errors > 0 && (
				<Override key={doctor.job.startedAt} accepts={doctor.acceptsErrors} ask={ask} />
			)}
			<div class="onward">
				{doctor !== null && doctor.job.state !== "running" && (
					<button type="button" disabled={isBusy} onClick={() => void ask("/join/doctor")}>
						Examine again
					</button>
				)}
				<Onward to="trial" isDone={isGood} />
			</div>
		</Card>
	);
}

/** What was ticked here shows at once: the stream brings the answer a moment later. */
function Override({ accepts, ask }: { readonly accepts: boolean; readonly ask: Act["ask"] }) {
	const [wanted, setWanted] = useState<boolean | null>(null);
	const choose = (isAccepted: boolean): void => {
		setWanted(isAccepted);
		void ask("/join/accept", { accepts: isAccepted }).then((isDone) => isDone || setWanted(null));
	};
	return (
		<label class="check override">
			<input
				type="checkbox"
				checked={wanted ?? accepts}
				onChange={(event) => choose(event.currentTarget.checked)}
			/>
			Join although there are errors. Training may stop, or learn something wrong.
		</label>
	);
}

function Verdict({ errors, warnings }: { readonly errors: number; readonly warnings: number }) {
	const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
	return (
		<span class="buttons">
			{errors > 0 && <Badge tone="bad">{plural(errors, "error")}</Badge>}
			{warnings > 0 && <Badge tone="warn">{plural(warnings, "warning")}</Badge>}
			{errors + warnings === 0 && <Badge tone="good">good</Badge>}
		</span>
	);
}

const SIGN = { info: "i", warning: "!", error: "✕" } as const;

function FindingLine({ finding }: { readonly finding: FindingView }) {
	const { severity, message, cure, camera, place, code } = finding;
	return (
		<li class={severity}>
			<span class="sign" role="img" aria-label={severity}>
				{SIGN[severity]}
			</span>
			<div>
				<p>
					{camera !== null && <strong>{shortCamera(camera)}: </strong>}
					{message}
				</p>
				<p class="quiet">{cure}</p>
				<p class="quiet">
					<code>{code}</code>
					{place !== "" && ` · ${place}`}
				</p>
			</div>
		</li>
	);
}
