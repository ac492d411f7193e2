// Who belongs to the federation: site names bound to public keys. The server asks; how keys get in (anybody in a
// simulation, invitations and approval in production) is behind this seam.
import { FlowerError } from "@zk0/flower";
import { nodeIdOf } from "./node-id.ts";
import { isSiteName } from "./protocol.ts";

/** A site and its key. */
export interface Member {
	readonly site: string;
	/** PEM (SubjectPublicKeyInfo). */
	readonly publicKeyPem: string;
	readonly nodeId: bigint;
	/** Only approved members may do anything. */
	readonly state: "pending" | "approved" | "revoked";
	/** False: a node of Flower's, whose replies carry no signature. Decided when the key is bound, never by a reply. */
	readonly signs: boolean;
}

/** A request to belong. */
export interface Registration {
	readonly publicKeyPem: string;
	/** The name that the site asks for; empty: the one of its invitation. */
	readonly site: string;
	/** Secret of an invitation, or empty. */
	readonly invite: string;
	/** Address of the caller, for people. */
	readonly peer: string;
}

/** The members of a federation. */
export interface Members {
	/** The member with this key. */
	find(publicKeyPem: string): Member | undefined;
	/** The member that has this name. */
	ofSite(site: string): Member | undefined;
	/**
	 * Binds a name to a key for good; the same key again changes nothing, whatever name it asks for.
	 * @throws FlowerError invalid-argument | already-exists | permission-denied: the text says what to do.
	 */
	register(registration: Registration): Promise<Member>;
}

/** Members for simulations and tests: whoever asks first for a name gets it. */
export function openMembers(): Members {
	const members = new Map<string, Member>();
	return {
		find: (publicKeyPem) => members.get(publicKeyPem),
		ofSite: (site) => [...members.values()].find((member) => member.site === site),
		register: async ({ publicKeyPem, site }) => {
			const known = members.get(publicKeyPem);
			if (known !== undefined) return known;
			const member = newMember({ publicKeyPem, site, state: "approved", signs: true }, [...members.values()]);
			members.set(publicKeyPem, member);
			return member;
		},
	};
}

/** A member for a new key. @throws FlowerError invalid-argument | already-exists for a bad or a taken name */
export function newMember(wanted: Omit<Member, "nodeId">, others: readonly Member[]): Member {
	const { site, publicKeyPem } = wanted;
	if (!isSiteName(site))
		throw new FlowerError(
			"invalid-argument",
			`"${site.slice(0, 80)}" is no site name: 1-63 letters, digits, '.', '_' or '-'`,
			{ reason: "bad-name" },
		);
	if (others.some((other) => other.site === site))
		throw new FlowerError("already-exists", `${site} is bound to another key; choose another name`, {
			reason: "name-taken",
		});
	return { ...wanted, nodeId: nodeIdOf(publicKeyPem) };
}
