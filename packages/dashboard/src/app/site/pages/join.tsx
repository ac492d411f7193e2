// Joining a federation, step by step; each step has an address of its own.
import type { SitePageView } from "@zk0/dashboard/views";
import { useEffect } from "preact/hooks";
import { go } from "../../location.ts";
import { Empty } from "../../parts/card.tsx";
import { Link } from "../../parts/link.tsx";
import { CamerasStep } from "../join/cameras.tsx";
import { DoctorStep } from "../join/doctor.tsx";
import { GoStep } from "../join/go.tsx";
import { InvitationStep } from "../join/invitation.tsx";
import { RecordingsStep } from "../join/recordings.tsx";
import { stepsOf } from "../join/steps.ts";
import { TrialStep } from "../join/trial.tsx";

/** The page; `named` is the step in the address, else the first that is not done. */
export function JoinPage({
	view,
	named,
}: {
	readonly view: SitePageView;
	readonly named: string | undefined;
}) {
	const { join, client } = view;
	const steps = stepsOf(join);
	const here = named ?? steps.find(({ isDone }) => !isDone)?.key ?? "go";
	useEffect(() => {
		// From here on the address names the step: a page does not move on by itself.
		if (named === undefined) go(`/join/${here}`, { replace: true });
	}, [named]);
	return (
		<>
			<header class="page-head">
				<div>
					<h1>Join a federation</h1>
					<p class="quiet">
						Train with others without giving your recordings away. Six steps; nothing is sent before the last.
					</p>
				</div>
			</header>
			<div class="wizard">
				<nav aria-label="Steps of joining">
					<ol class="wizard-steps">
						{steps.map(({ key, name, isDone, note }, index) => (
							<li key={key} class={isDone ? "done" : ""}>
								<Link to={`/join/${key}`} {...(key === here ? { "aria-current": "step" as const } : {})}>
									<span class="step-mark" aria-hidden="true">
										{isDone ? "✓" : index + 1}
									</span>
									<span>
										{name}
										{isDone && <span class="unseen">, done</span>}
										{note !== null && <span class="step-note">{note}</span>}
									</span>
								</Link>
							</li>
						))}
					</ol>
				</nav>
				<div class="wizard-step">
					<Step here={here} view={view} joinedAt={client.joined?.server ?? null} />
				</div>
			</div>
		</>
	);
}

function Step({
	here,
	view: { join },
	joinedAt,
}: {
	readonly here: string;
	readonly view: SitePageView;
	readonly joinedAt: string | null;
}) {
	if (here === "invitation") return <InvitationStep join={join} />;
	if (here === "recordings") return <RecordingsStep join={join} />;
	if (here === "cameras") return <CamerasStep join={join} />;
	if (here === "doctor") return <DoctorStep join={join} />;
	if (here === "trial") return <TrialStep join={join} />;
	if (here === "go") return <GoStep join={join} joinedAt={joinedAt} />;
	return <Empty>There is no such step</Empty>;
}
