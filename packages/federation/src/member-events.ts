// What the log of members holds: invitations, registrations, approvals, revocations, and who was turned away; and who the
// members are that follow from it.
import { z } from "zod";
import { callRefusedSchema, callsRefusedSchema } from "./audit.ts";
import type { LogKind } from "./hash-log.ts";
import type { Member } from "./members.ts";
import { nodeIdOf } from "./node-id.ts";

const at = z.iso.datetime();
const site = z.string();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const memberEventSchema = z.discriminatedUnion("kind", [
	/** Only the hash of the secret is kept: who reads the log cannot join with it. */
	z.object({
		kind: z.literal("invitation.made"),
		at,
		secretSha256: sha256,
		site: site.nullable(),
		expiresAt: at,
	}),
	z.object({
		kind: z.literal("member.registered"),
		at,
		site,
		publicKeyPem: z.string(),
		state: z.enum(["pending", "approved"]),
		/** Hash of the invitation's secret; null: it came without one. */
		invitation: sha256.nullable(),
		peer: z.string(),
	}),
	/** The operator bound the key of a Flower node, whose replies will not be signed. */
	z.object({
		kind: z.literal("member.added"),
		at,
		site,
		publicKeyPem: z.string(),
		signs: z.literal(false),
	}),
	z.object({ kind: z.literal("member.approved"), at, site }),
	z.object({ kind: z.literal("member.revoked"), at, site }),
	callRefusedSchema,
	callsRefusedSchema,
]);

/** What happened to the membership. */
export type MemberEvent = z.infer<typeof memberEventSchema>;

/** The log's form. */
export const MEMBER_LOG: LogKind<MemberEvent> = { schema: memberEventSchema, isKept: () => true };

/** The members that a log makes, sorted by name. */
export function replayMembers(events: readonly MemberEvent[]): Member[] {
	const members = new Map<string, Member>();
	for (const event of events) {
		if (event.kind === "member.registered") {
			const { site: name, publicKeyPem, state } = event;
			members.set(name, { site: name, publicKeyPem, nodeId: nodeIdOf(publicKeyPem), state, signs: true });
		} else if (event.kind === "member.added") {
			const { site: name, publicKeyPem, signs } = event;
			const nodeId = nodeIdOf(publicKeyPem);
			members.set(name, { site: name, publicKeyPem, nodeId, state: "approved", signs });
		} else if (event.kind === "member.approved" || event.kind === "member.revoked") {
			const member = members.get(event.site);
			const state = event.kind === "member.approved" ? "approved" : "revoked";
			if (member !== undefined) members.set(event.site, { ...member, state });
		}
	}
	return [...members.values()].sort((a, b) => (a.site < b.site ? -1 : 1));
}
