// The steps of joining in their order, and which are done.
import { badgeWords } from "@zk0/dashboard/status";
import type { JoinView } from "@zk0/dashboard/views";
import { formatShort } from "../../format.ts";

/** A step's name in the address. */
export type StepKey = "invitation" | "recordings" | "cameras" | "doctor" | "trial" | "go";

/** A step. */
export interface Step {
	readonly key: StepKey;
	readonly name: string;
	readonly isDone: boolean;
	/** What was decided, in a few words; null: nothing yet. */
	readonly note: string | null;
}

/** The steps. */
export function stepsOf({ invitation, data, cameras, doctor, trial, entry }: JoinView): readonly Step[] {
	const isGood = doctor?.badge != null && (doctor.badge.errors === 0 || doctor.acceptsErrors);
	const numCameras = Object.keys(cameras?.chosen ?? {}).length;
	return [
		{
			key: "invitation",
			name: "Invitation",
			isDone: invitation?.job.state === "done" && invitation.site !== null,
			note: invitation?.site ?? null,
		},
		{
			key: "recordings",
			name: "Recordings",
			isDone: data?.job.state === "done",
			note: data?.facts == null ? null : `${data.facts.numEpisodes} episodes`,
		},
		{
			key: "cameras",
			name: "Cameras",
			isDone: cameras?.chosen != null,
			note: cameras?.chosen == null ? null : `${numCameras} in use`,
		},
		{
			key: "doctor",
			name: "Data check",
			isDone: isGood,
			note: doctor?.badge == null ? null : badgeWords(doctor.badge),
		},
		{
			key: "trial",
			name: "Test step",
			isDone: trial?.job.state === "done",
			note: trial?.result == null ? null : `${formatShort(trial.result.stepSeconds)} a step`,
		},
		{ key: "go", name: "Join", isDone: entry?.isStarted === true, note: null },
	];
}
