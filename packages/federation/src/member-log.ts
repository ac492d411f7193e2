// The members of a federation as their log: invitations, registrations, approvals, revocations and refusals, in the
// same hash-chained form as a run's events. The log is the registry: opening it replays it, and it is the audit, too.
import { createHash, timingSafeEqual } from "node:crypto";
import { FlowerError } from "@zk0/flower";
import { type AuditTrail, createAuditTrail, type Offence } from "./audit.ts";
import type { Clock } from "./clock.ts";
import { FederationError } from "./errors.ts";
import { type HashLog, openHashLog, verifyHashLog } from "./hash-log.ts";
import { MEMBER_LOG, type MemberEvent, replayMembers } from "./member-events.ts";
import { type Member, type Members, newMember, type Registration } from "./members.ts";
import { isSiteName } from "./protocol.ts";

/** Members that wait for approval: strangers cannot grow the log beyond. */
const MAX_PENDING = 100;

/** The members with what an operator may do. */
export interface MemberLog extends Members, AsyncDisposable {
	/** Everybody, sorted by name. */
	list(): readonly Member[];
	/**
	 * Allows whoever knows `secret` to join once, under `site` if it is given, until `expiresAtMs`.
	 * @throws FederationError unknown-member for the name of a revoked key
	 */
	invite(secret: string, options: { readonly site?: string; readonly expiresAtMs: number }): Promise<void>;
	/**
	 * Binds the key (PEM) of a Flower node to a name and lets it in; its replies are not signed.
	 * @throws FlowerError invalid-argument | already-exists for a bad or a taken name, or a key that is bound already
	 */
	addFlowerNode(site: string, publicKeyPem: string): Promise<void>;
	/** @throws FederationError unknown-member */
	approve(site: string): Promise<void>;
	/** Shuts a key out for good; its name stays taken. @throws FederationError unknown-member */
	revoke(site: string): Promise<void>;
	/** Notes that somebody was turned away; repeated offences are counted. */
	audit(offence: Offence): Promise<void>;
	/** Writes what was counted so far. */
	summarise(): Promise<void>;
	readonly events: readonly MemberEvent[];
	/** Hash of the last line. */
	readonly head: string;
}

/** Opens the log at `path`, creating it when needed. @throws FederationError log-tampered | storage */
export async function openMemberLog(path: string, clock: Clock): Promise<MemberLog> {
	return new LoggedMembers(await openHashLog(path, MEMBER_LOG), clock);
}

/** What a member log says, without opening it for writing. @throws FederationError log-tampered | storage */
export async function readMembers(
	path: string,
): Promise<Pick<MemberLog, "events" | "head"> & { readonly members: readonly Member[] }> {
	const { events, head } = await verifyHashLog(path, MEMBER_LOG);
	return { events, head, members: replayMembers(events) };
}

interface Invitation {
	readonly site: string | null;
	readonly expiresAtMs: number;
	isUsed: boolean;
}

class LoggedMembers implements MemberLog {
	readonly #log: HashLog<MemberEvent>;
	readonly #clock: Clock;
	readonly #members = new Map<string, Member>();
	readonly #bySite = new Map<string, Member>();
	readonly #invitations = new Map<string, Invitation>();
	readonly #audit: AuditTrail;
	#isClosed = false;
	/** Changes one after another, each on the state that the one before left. */
	#tail: Promise<unknown> = Promise.resolve();

	constructor(log: HashLog<MemberEvent>, clock: Clock) {
		this.#log = log;
		this.#clock = clock;
		this.#audit = createAuditTrail((event) => this.#log.append([event]), clock);
		for (const event of log.events) this.#apply(event);
		for (const member of replayMembers(log.events)) this.#set(member);
	}

	get events(): readonly MemberEvent[] {
		return this.#log.events;
	}

	get head(): string {
		return this.#log.head;
	}

	find(publicKeyPem: string): Member | undefined {
		return this.#members.get(publicKeyPem);
	}

	ofSite(name: string): Member | undefined {
		return this.#bySite.get(name);
	}

	list(): readonly Member[] {
		return [...this.#bySite.values()].sort((a, b) => (a.site < b.site ? -1 : 1));
	}

	register(registration: Registration): Promise<Member> {
		return this.#inOrder(async () => {
			const known = this.#members.get(registration.publicKeyPem);
			if (known !== undefined) return known;
			return await this.#admit(registration);
		});
	}

	invite(secret: string, options: { readonly site?: string; readonly expiresAtMs: number }): Promise<void> {
		const { site: name, expiresAtMs } = options;
		if (name !== undefined && !isSiteName(name))
			throw new RangeError(`invite: "${name}" is no site name: 1-63 letters, digits, '.', '_' or '-'`);
		if (name !== undefined && this.#bySite.get(name)?.state === "revoked")
			throw new FederationError(
				"unknown-member",
				`the key of ${name} was revoked for good and its name stays taken: invite under another name`,
				{ ids: { site: name } },
			);
		const expiresAt = new Date(expiresAtMs).toISOString();
		const secretSha256 = hashOf(secret);
		return this.#inOrder(() =>
			this.#record({ kind: "invitation.made", at: this.#now(), secretSha256, site: name ?? null, expiresAt }),
		);
	}

	addFlowerNode(name: string, publicKeyPem: string): Promise<void> {
		return this.#inOrder(async () => {
			const known = this.#members.get(publicKeyPem);
			if (known !== undefined)
				throw new FlowerError("already-exists", `the key is that of ${known.site} already`);
			newMember({ publicKeyPem, site: name, state: "approved", signs: false }, this.list());
			await this.#record({ kind: "member.added", at: this.#now(), site: name, publicKeyPem, signs: false });
		});
	}

	approve(name: string): Promise<void> {
		return this.#change(name, "member.approved");
	}

	revoke(name: string): Promise<void> {
		return this.#change(name, "member.revoked");
	}

	audit(offence: Offence): Promise<void> {
		return this.#inOrder(() => this.#audit.note(offence));
	}

	summarise(): Promise<void> {
		return this.#inOrder(() => this.#audit.summarise());
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#tail;
		if (!this.#isClosed) await this.#audit.summarise();
		this.#isClosed = true;
		await this.#log[Symbol.asyncDispose]();
	}

	async #admit({ publicKeyPem, site: wanted, invite, peer }: Registration): Promise<Member> {
		const secretSha256 = invite === "" ? null : hashOf(invite);
		const invitation = secretSha256 === null ? undefined : this.#invitation(secretSha256);
		if (invitation?.site != null && wanted !== "" && wanted !== invitation.site)
			throw new FlowerError(
				"permission-denied",
				`the invitation is for ${invitation.site}, not for ${wanted}`,
				{ reason: "bad-invitation" },
			);
		const pending = this.list().filter(({ state }) => state === "pending");
		if (invitation === undefined && pending.length >= MAX_PENDING)
			throw new FlowerError("resource-exhausted", "too many sites wait for approval; ask for an invitation", {
				reason: "over-limit",
			});
		const state = invitation === undefined ? "pending" : "approved";
		const name = invitation?.site ?? wanted;
		const member = newMember({ publicKeyPem, site: name, state, signs: true }, [...this.#bySite.values()]);
		await this.#record({
			kind: "member.registered",
			at: this.#now(),
			site: name,
			publicKeyPem,
			state,
			invitation: secretSha256,
			peer,
		});
		return member;
	}

	/** @throws FlowerError permission-denied for an unknown, used or expired secret */
	#invitation(secretSha256: string): Invitation {
		const wanted = Buffer.from(secretSha256);
		const found = [...this.#invitations].find(([hash]) => timingSafeEqual(Buffer.from(hash), wanted))?.[1];
		const problem =
			found === undefined
				? "is not known"
				: found.isUsed
					? "was used before"
					: this.#clock.now() > found.expiresAtMs
						? "has expired"
						: null;
		if (found !== undefined && problem === null) return found;
		throw new FlowerError(
			"unauthenticated",
			`the invitation ${problem ?? ""}; ask the operator for a new one`,
			{ reason: "bad-invitation" },
		);
	}

	#change(name: string, kind: "member.approved" | "member.revoked"): Promise<void> {
		return this.#inOrder(async () => {
			const state = this.#bySite.get(name)?.state;
			if (state === undefined || (state === "revoked" && kind === "member.approved")) {
				const message =
					state === undefined ? `there is no site ${name}` : `the key of ${name} was revoked for good`;
				throw new FederationError("unknown-member", message, { ids: { site: name } });
			}
			await this.#record({ kind, at: this.#now(), site: name });
		});
	}

	async #record(event: MemberEvent): Promise<void> {
		await this.#log.append([event]);
		this.#apply(event);
		if (!("site" in event) || event.kind === "invitation.made") return;
		const related = this.#log.events.filter((other) => "site" in other && other.site === event.site);
		for (const member of replayMembers(related)) this.#set(member);
	}

	#apply(event: MemberEvent): void {
		if (event.kind === "invitation.made") {
			const expiresAtMs = Date.parse(event.expiresAt);
			this.#invitations.set(event.secretSha256, { site: event.site, expiresAtMs, isUsed: false });
		} else if (event.kind === "member.registered") {
			const invitation = event.invitation === null ? undefined : this.#invitations.get(event.invitation);
			if (invitation !== undefined) invitation.isUsed = true;
		}
	}

	#set(member: Member): void {
		this.#members.set(member.publicKeyPem, member);
		this.#bySite.set(member.site, member);
	}

	#now(): string {
		return new Date(this.#clock.now()).toISOString();
	}

	#inOrder<T>(action: () => Promise<T>): Promise<T> {
		const done = this.#tail.then(action);
		// The caller gets the failure; the next change starts afterwards either way.
		this.#tail = done.catch(() => undefined);
		return done;
	}
}

function hashOf(secret: string): string {
	return createHash("sha256").update(secret).digest("hex");
}
