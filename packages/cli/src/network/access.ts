// Who may use the dashboard, as a log: people with their roles, sign-ins, and every change that somebody asked for, in
// the same hash-chained form as the members. The log is the registry: opening it replays it. Of tokens only hashes are kept.
import { type Clock, type HashLog, isSiteName, openHashLog } from "@zk0/federation";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { type Attempts, countAttempts } from "../http/attempts.ts";
import { HttpError } from "../http/http-error.ts";
import type { Change } from "../http/listener.ts";
import {
	createOneTimeCodes,
	hashOf,
	newSecret,
	type OneTimeCode,
	type OneTimeCodes,
} from "../http/one-time-codes.ts";
import type { Principal, Role } from "../http/route.ts";

const at = z.iso.datetime();
const name = z.string();
const role = z.enum(["viewer", "operator"]);

const accessEventSchema = z.discriminatedUnion("kind", [
	z.object({ kind: z.literal("user.added"), at, name, role, tokenSha256: z.string() }),
	z.object({ kind: z.literal("user.removed"), at, name }),
	z.object({ kind: z.literal("user.signed-in"), at, name, role, peer: z.string() }),
	z.object({ kind: z.literal("sign-in.refused"), at, peer: z.string() }),
	/** What was asked, not what came of it. */
	z.object({
		kind: z.literal("change.asked"),
		at,
		name,
		action: z.string(),
		/** The site, person or run that it is about. */
		subject: z.string().nullable(),
		peer: z.string(),
	}),
]);

/** What happened to the access. */
export type AccessEvent = z.infer<typeof accessEventSchema>;

/** A person who may use the dashboard. */
export interface User {
	readonly name: string;
	readonly role: Role;
	readonly addedAt: string;
}

/** The people, their secrets and what they did. */
export interface Access extends AsyncDisposable {
	readonly users: () => readonly User[];
	readonly events: readonly AccessEvent[];
	/** @returns the person's token, which is kept nowhere @throws CliError "bad-config" for a bad or a taken name */
	addUser(name: string, role: Role): Promise<string>;
	/** @throws CliError "bad-config" for a person who is not there */
	removeUser(name: string): Promise<void>;
	/** A code with which a browser signs in once, as an operator. */
	makeCode(): OneTimeCode;
	/** Who has this token. */
	ofToken(token: string): Principal | undefined;
	/** Signs in with a code or a token. @throws HttpError unauthorised | too-many-attempts */
	signIn(secret: string, peer: string): Promise<Principal>;
	noteChange(principal: Principal, change: Change): Promise<void>;
}

/** Who signs in with a code. */
const CODE_OWNER: Principal = { name: "operator", role: "operator" };
/** The command line on the server's machine. */
export const COMMAND_LINE: Principal = { name: "command-line", role: "operator" };

/** Opens the log at `path`, creating it when needed. @throws FederationError log-tampered | storage */
export async function openAccess(path: string, clock: Clock): Promise<Access> {
	const log = await openHashLog(path, { schema: accessEventSchema, isKept: () => true });
	return new LoggedAccess(log, clock);
}

class LoggedAccess implements Access {
	readonly #log: HashLog<AccessEvent>;
	readonly #clock: Clock;
	readonly #attempts: Attempts;
	/** People by the hash of their token. */
	readonly #users = new Map<string, User>();
	readonly #codes: OneTimeCodes;

	constructor(log: HashLog<AccessEvent>, clock: Clock) {
		this.#log = log;
		this.#clock = clock;
		this.#attempts = countAttempts(() => clock.now());
		this.#codes = createOneTimeCodes(() => clock.now());
		for (const event of log.events) this.#apply(event);
	}

	get events(): readonly AccessEvent[] {
		return this.#log.events;
	}

	users(): readonly User[] {
		return [...this.#users.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
	}

	async addUser(wanted: string, wantedRole: Role): Promise<string> {
		const reserved = [CODE_OWNER.name, COMMAND_LINE.name];
		if (!isSiteName(wanted) || reserved.includes(wanted))
			throw new CliError("bad-config", `"${wanted}" is no name for a person`, {
				cure: `use 1-63 letters, digits, '.', '_' or '-', other than ${reserved.join(" and ")}`,
			});
		if (this.users().some((user) => user.name === wanted))
			throw new CliError("bad-config", `there is a ${wanted} already`, {
				cure: `take the access away first: zk0 server user remove ${wanted}`,
			});
		const token = newSecret();
		await this.#record({
			kind: "user.added",
			at: this.#now(),
			name: wanted,
			role: wantedRole,
			tokenSha256: hashOf(token),
		});
		return token;
	}

	async removeUser(wanted: string): Promise<void> {
		if (!this.users().some((user) => user.name === wanted))
			throw new CliError("bad-config", `there is no ${wanted}`, {
				cure: "see `zk0 server user list`",
			});
		await this.#record({ kind: "user.removed", at: this.#now(), name: wanted });
	}

	makeCode(): OneTimeCode {
		return this.#codes.make();
	}

	ofToken(token: string): Principal | undefined {
		// The look-up is by hash, so its time says nothing about the tokens that there are.
		const user = this.#users.get(hashOf(token));
		return user === undefined ? undefined : { name: user.name, role: user.role };
	}

	async signIn(secret: string, peer: string): Promise<Principal> {
		this.#attempts.check(peer);
		const principal = this.#codes.take(secret) ? CODE_OWNER : this.ofToken(secret);
		if (principal === undefined) {
			this.#attempts.fail(peer);
			await this.#record({ kind: "sign-in.refused", at: this.#now(), peer });
			throw new HttpError("unauthorised", "the code or token is not known, was used, or has expired");
		}
		await this.#record({ kind: "user.signed-in", at: this.#now(), ...principal, peer });
		return principal;
	}

	noteChange(principal: Principal, { method, path, body, peer }: Change): Promise<void> {
		const action = `${method} ${path}`.slice(0, 200);
		const change = { name: principal.name, action, subject: subjectOf(body), peer };
		return this.#record({ kind: "change.asked", at: this.#now(), ...change });
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#log[Symbol.asyncDispose]();
	}

	async #record(event: AccessEvent): Promise<void> {
		await this.#log.append([event]);
		this.#apply(event);
	}

	#apply(event: AccessEvent): void {
		if (event.kind === "user.added")
			this.#users.set(event.tokenSha256, { name: event.name, role: event.role, addedAt: event.at });
		if (event.kind === "user.removed")
			for (const [key, user] of this.#users) if (user.name === event.name) this.#users.delete(key);
	}

	#now(): string {
		return new Date(this.#clock.now()).toISOString();
	}
}

const subjectSchema = z.object({
	site: z.string().nullish(),
	name: z.string().nullish(),
	runId: z.string().nullish(),
});

function subjectOf(body: unknown): string | null {
	const { data } = subjectSchema.safeParse(body);
	return (data?.site ?? data?.name ?? data?.runId ?? null)?.slice(0, 80) ?? null;
}
