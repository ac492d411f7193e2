// Sites and invitations as rows.
import type { InvitationView, MemberView } from "@zk0/dashboard/views";
import { formatCount, formatTime, shortHash } from "../../format.ts";
import { Badge } from "../../parts/card.tsx";
import { DoctorBadge, Recordings } from "../../parts/recordings.tsx";
import type { Column } from "../../parts/table.tsx";

const STATE_TONE = { approved: "good", pending: "warn", revoked: "bad" } as const;

/** A site in columns; `decide` is for operators. */
export function memberColumns(
	decide: ((verb: "approve" | "revoke", site: string) => void) | null,
): readonly Column<MemberView>[] {
	const columns: Column<MemberView>[] = [
		{ name: "Site", cell: ({ site }) => site, sortBy: ({ site }) => site },
		{
			name: "State",
			cell: ({ state, isOnline, paused }) => (
				<>
					<Badge tone={STATE_TONE[state]}>{state}</Badge> {isOnline && <Badge tone="good">online</Badge>}{" "}
					{paused !== null && <Badge tone="warn">paused: {paused}</Badge>}
				</>
			),
			sortBy: ({ state }) => state,
		},
		{
			name: "Key",
			cell: ({ key, signs }) => (
				<>
					<code title={key}>{shortHash(key)}</code> {!signs && <Badge tone="warn">does not sign</Badge>}
				</>
			),
		},
		{
			name: "Joined",
			cell: ({ registeredAt, peer }) => <span title={`from ${peer ?? "–"}`}>{formatTime(registeredAt)}</span>,
			sortBy: ({ registeredAt }) => registeredAt,
		},
		{
			name: "Samples",
			isNumber: true,
			cell: ({ numSamples }) => formatCount(numSamples),
			sortBy: ({ numSamples }) => numSamples,
		},
		{
			name: "Doctor",
			hint: "What the doctor said of the recordings when the site joined",
			cell: ({ doctor }) => (doctor === null ? "–" : <DoctorBadge doctor={doctor} />),
			sortBy: ({ doctor }) => (doctor === null ? null : doctor.errors * 1000 + doctor.warnings),
		},
		{
			name: "Recordings",
			cell: ({ details }) =>
				details === null ? (
					"–"
				) : (
					<details>
						<summary>show</summary>
						<Recordings details={details} />
					</details>
				),
		},
	];
	if (decide !== null)
		columns.push({
			name: "Change",
			cell: ({ site, state }) => (
				<span class="buttons">
					{state === "pending" && (
						<button type="button" class="primary" onClick={() => decide("approve", site)}>
							Approve <span class="unseen">{site}</span>
						</button>
					)}
					{state !== "revoked" && (
						<button type="button" class="danger" onClick={() => decide("revoke", site)}>
							Revoke <span class="unseen">{site}</span>
						</button>
					)}
				</span>
			),
		});
	return columns;
}

/** An invitation in columns. */
export const INVITATION_COLUMNS: readonly Column<InvitationView>[] = [
	{ name: "For", cell: ({ site }) => site ?? "any site" },
	{
		name: "State",
		cell: ({ usedBy, expiresAt }) =>
			usedBy !== null ? (
				<Badge tone="good">used by {usedBy}</Badge>
			) : Date.parse(expiresAt) < Date.now() ? (
				<Badge>expired</Badge>
			) : (
				<Badge tone="live">open</Badge>
			),
	},
	{ name: "Until", cell: ({ expiresAt }) => formatTime(expiresAt) },
];
