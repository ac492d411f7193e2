// The audit log for people: what happened to members and to access, from their two logs, newest first.
import type { AuditEntry, InvitationView } from "@zk0/dashboard/views";
import type { MemberEvent } from "@zk0/federation";
import type { AccessEvent } from "../network/access.ts";

/** A page of entries. */
export interface AuditPage {
	readonly entries: readonly AuditEntry[];
	readonly numEntries: number;
}

/** The `limit` entries after the newest `skip`. */
export function auditPage(
	members: readonly MemberEvent[],
	access: readonly AccessEvent[],
	{ skip, limit }: { readonly skip: number; readonly limit: number },
): AuditPage {
	const entries = [...members.map(ofMember), ...access.map(ofAccess)];
	// ISO times sort as text; entries of one moment stay in the order of their log.
	const newestFirst = entries.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)).reverse();
	return { entries: newestFirst.slice(skip, skip + limit), numEntries: entries.length };
}

/** Every invitation, newest first, with who used it. */
export function invitationsOf(events: readonly MemberEvent[]): InvitationView[] {
	const usedBy = new Map(
		events.flatMap((event) =>
			event.kind === "member.registered" && event.invitation !== null
				? [[event.invitation, event.site] as const]
				: [],
		),
	);
	return events
		.flatMap((event) =>
			event.kind === "invitation.made"
				? [
						{
							id: event.secretSha256.slice(0, 12),
							site: event.site,
							madeAt: event.at,
							expiresAt: event.expiresAt,
							usedBy: usedBy.get(event.secretSha256) ?? null,
						},
					]
				: [],
		)
		.reverse();
}

/** An event of a kind without words here still shows, under its own name. */
function ofMember(event: MemberEvent): AuditEntry {
	const about = "site" in event ? event.site : null;
	const entry = { at: event.at, who: "operator", what: event.kind, isWarning: false, about };
	if (event.kind === "invitation.made")
		return { ...entry, what: `invited ${event.site ?? "a site"} until ${minuteOf(event.expiresAt)}` };
	if (event.kind === "member.registered") {
		const how = event.invitation === null ? "without an invitation" : "with an invitation";
		return { ...entry, who: event.peer, what: `${event.site} joined ${how} and is ${event.state}` };
	}
	if (event.kind === "member.approved") return { ...entry, what: `approved ${event.site}` };
	if (event.kind === "member.revoked") return { ...entry, what: `revoked the key of ${event.site}` };
	if (event.kind === "member.added")
		return { ...entry, what: `added ${event.site}, whose replies are not signed` };
	if (event.kind === "call.refused")
		return { ...entry, who: event.address, what: `${event.why}: ${event.detail}`, isWarning: true };
	if (event.kind === "calls.refused") {
		const what = `${event.why}, ${event.count} more times since ${event.since}`;
		return { ...entry, who: event.from.join(", "), what, isWarning: true };
	}
	return entry;
}

/** `2026-11-30 22:16 UTC`. */
function minuteOf(iso: string): string {
	return `${iso.slice(0, 16).replace("T", " ")} UTC`;
}

/** Changes that were asked for, in words; what they did is in the lines of members and people. */
const ACTIONS: Readonly<Record<string, string>> = {
	"POST /api/codes": "made a link that signs in once",
	"POST /api/invitations": "asked for an invitation",
	"POST /api/members/add": "asked to add a Flower node",
	"POST /api/members/approve": "asked to approve a site",
	"POST /api/members/revoke": "asked to revoke a site's key",
	"POST /api/runs": "started a run",
	"POST /api/runs/stop": "stopped a run",
	"POST /api/runs/continue": "went on with a run",
	"POST /api/users": "asked to let somebody in",
	"POST /api/stop": "stopped the server",
};

/** An action without words here still shows, as it was called. */
function actionWords(action: string): string {
	return ACTIONS[action] ?? action;
}

function ofAccess(event: AccessEvent): AuditEntry {
	const entry = { at: event.at, who: "operator", isWarning: false, about: null };
	if (event.kind === "user.added") return { ...entry, what: `gave ${event.name} access as ${event.role}` };
	if (event.kind === "user.removed") return { ...entry, what: `took the access of ${event.name} away` };
	if (event.kind === "user.signed-in")
		return { ...entry, who: event.name, what: `signed in from ${event.peer} as ${event.role}` };
	if (event.kind === "sign-in.refused")
		return { ...entry, who: event.peer, what: "tried to sign in with a wrong code", isWarning: true };
	return { ...entry, who: event.name, what: actionWords(event.action), about: event.subject };
}
