// Whether a site is there and may take part, and what it does.
import type { ServerStatus, SiteStatus } from "@zk0/dashboard/views";
import { Badge } from "./card.tsx";

const TONE = { pending: "warn", revoked: "bad" } as const;

/** The state in one badge. */
export function SiteState({ state }: { readonly state: SiteStatus | undefined }) {
	if (state === undefined) return <Badge>not a member</Badge>;
	if (state.state !== "approved") return <Badge tone={TONE[state.state]}>{state.state}</Badge>;
	if (!state.isOnline) return <Badge>offline</Badge>;
	if (state.paused === null) return <Badge tone="good">online</Badge>;
	return (
		<Badge tone="warn" title={state.paused}>
			paused
		</Badge>
	);
}

/** The task that a run waits for at a site. Runs may overlap: a site's tasks of other runs are none of this one's. */
export function taskOf(
	site: string,
	{ status, runId }: { readonly status: ServerStatus; readonly runId: string | null },
): ServerStatus["runs"][number]["tasks"][number] | undefined {
	return status.runs.find((run) => run.runId === runId)?.tasks.find((task) => task.site === site);
}

/** What a site does now, with how far it is. */
export function SiteTask({ task }: { readonly task: ReturnType<typeof taskOf> }) {
	if (task === undefined) return <span class="quiet">idle</span>;
	const words = task.phase === "train" ? "training" : "measuring";
	if (task.step === null || task.numSteps === null) return <>{words}</>;
	return (
		<span class="task">
			<progress value={task.step} max={task.numSteps} aria-label={`${task.site} ${words}`} />
			{words} {task.step}/{task.numSteps}
		</span>
	);
}
