// The audit in plain words: who came, who was let in, who was turned away and why. Reads the log of members as it lies on
// disk, so it needs no running server, and checks that nothing in it was changed.
import { type MemberEvent, type OffenceKind, readMembers } from "@zk0/federation";

/** What somebody did who was turned away. */
const OFFENCES: Readonly<Record<OffenceKind, string>> = {
	unsigned: "called without a key",
	"bad-signature": "called with a signature that is not of the key it named (a wrong key)",
	expired: "called with a signature that is too old or from the future (a replay, or a clock that is wrong)",
	"unknown-key": "called with a key that is no member's (a stranger)",
	"other-node": "called in the name of another node",
	revoked: "called with a key that was revoked",
	"bad-invitation": "tried to join with an invitation that is not good",
	"bad-name": "tried to join under a name that cannot be one",
	"name-taken": "tried to join under a name that has another key",
	"over-limit": "called too often, or sent more than is taken",
	duplicate: "sent another result for a task that has one (a replay)",
	late: "sent a result that nobody waits for any more, or too late",
	"wrong-round": "sent a result of another round than its task's",
	"wrong-site": "sent a result for another site's task",
	"unknown-task": "sent a result for a run or a task that there is not",
	"bad-update-signature": "sent an update that its key did not sign",
};

/** The whole audit, oldest first; the last line names the head of the chain. @throws FederationError log-tampered */
export async function readAudit(path: string): Promise<{ events: readonly MemberEvent[]; lines: string[] }> {
	const { events, head } = await readMembers(path);
	const lines = events.map((event) => `${event.at.slice(0, 19).replace("T", " ")}  ${textOf(event)}`);
	return {
		events,
		lines: [...lines, `${events.length} lines, unchanged since they were written; head ${head}`],
	};
}

function textOf(event: MemberEvent): string {
	switch (event.kind) {
		case "invitation.made":
			return `invited    ${event.site ?? "a site that chooses its name"}, until ${event.expiresAt.slice(0, 10)}`;
		case "member.registered": {
			const how = event.invitation === null ? "without an invitation" : "with its invitation";
			const state = event.state === "pending" ? ", waits for approval" : "";
			return `joined     ${event.site} ${how}, from ${event.peer}${state}`;
		}
		case "member.added":
			return `added      ${event.site}, a Flower node whose replies are not signed`;
		case "member.approved":
			return `approved   ${event.site}`;
		case "member.revoked":
			return `revoked    ${event.site}`;
		case "call.refused": {
			const who = event.site === null ? "somebody" : `somebody in the name of ${event.site}`;
			const key = event.key === null ? "" : `, key ${event.key}`;
			return `refused    ${who} at ${event.address} ${OFFENCES[event.why]}${key}: "${event.detail}"`;
		}
		case "calls.refused":
			break;
	}
	const { count, since, why, from } = event;
	return `refused    ${count} more times since ${since.slice(11, 19)}: ${OFFENCES[why]}; from ${from.join(", ")}`;
}
