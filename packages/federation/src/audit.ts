// Who was turned away and why, for the federation's log. The first offence of somebody is a line; repeated ones are
// counted and summed up once an hour, and so is everything beyond a budget of lines, so that nobody can fill the disk.
import { addressOf, type CallInfo, claimedKey, createRateLimit, type FlowerError } from "@zk0/flower";
import { z } from "zod";
import type { Clock } from "./clock.ts";
import type { UpdateRejection } from "./errors.ts";
import type { Members } from "./members.ts";
import { keyFingerprint } from "./node-id.ts";

/** What somebody was turned away for. */
export const OFFENCE_KINDS = [
	"unsigned",
	"bad-signature",
	"expired",
	"unknown-key",
	"other-node",
	"revoked",
	"bad-invitation",
	"bad-name",
	"name-taken",
	"over-limit",
	"duplicate",
	"late",
	"wrong-round",
	"wrong-site",
	"unknown-task",
	"bad-update-signature",
] as const;

/** What somebody was turned away for. */
export type OffenceKind = (typeof OFFENCE_KINDS)[number];

/** Somebody was turned away. */
export interface Offence {
	readonly why: OffenceKind;
	/** The member in whose name the call came, which it may not have been; null: of nobody. */
	readonly site: string | null;
	/** Fingerprint of the key that the call named. */
	readonly key: string | null;
	readonly address: string;
	/** What the caller was told. */
	readonly detail: string;
}

const at = z.iso.datetime();
const why = z.enum(OFFENCE_KINDS);

/** An offence as it is kept. */
export const callRefusedSchema = z.object({
	kind: z.literal("call.refused"),
	at,
	why,
	site: z.string().nullable(),
	key: z.string().nullable(),
	address: z.string(),
	detail: z.string(),
});

/** Offences that have no line of their own. */
export const callsRefusedSchema = z.object({
	kind: z.literal("calls.refused"),
	at,
	since: at,
	why,
	count: z.int(),
	/** Some of those who did it: sites, or addresses. */
	from: z.array(z.string()),
});

/** A line of the audit. */
export type AuditEvent = z.infer<typeof callRefusedSchema> | z.infer<typeof callsRefusedSchema>;

/** Lines for single offences: a hundred, then twenty an hour; at most 200 KB a day of an attack that never ends. */
const LINES = { burst: 100, perSecond: 20 / 3600 };
/** How often repeated offences are summed up: one line for each kind. */
const WINDOW_MS = 3_600_000;
const MAX_NAMED = 5;
const MAX_DETAIL = 200;

/** The audit of a server. */
export interface AuditTrail {
	/** Resolves when the offence is counted or written. */
	note(offence: Offence): Promise<void>;
	/** Writes the counts so far. */
	summarise(): Promise<void>;
}

/** An audit whose lines go to `append`. */
export function createAuditTrail(append: (event: AuditEvent) => Promise<void>, clock: Clock): AuditTrail {
	const lines = createRateLimit(LINES);
	const seen = new Set<string>();
	const repeated = new Map<OffenceKind, { count: number; readonly from: Set<string> }>();
	let sinceMs = clock.now();
	const iso = (ms: number): string => new Date(ms).toISOString();
	const summarise = async (): Promise<void> => {
		const since = iso(sinceMs);
		const counts = [...repeated];
		sinceMs = clock.now();
		repeated.clear();
		seen.clear();
		for (const [kind, { count, from }] of counts)
			await append({ kind: "calls.refused", at: iso(sinceMs), since, why: kind, count, from: [...from] });
	};
	return {
		summarise,
		async note(offence) {
			const nowMs = clock.now();
			if (nowMs - sinceMs >= WINDOW_MS) await summarise();
			const { why: kind, site, key, address, detail } = offence;
			const name = [kind, site ?? key ?? "", address].join(" ");
			if (!seen.has(name) && lines.take("", nowMs) === 0) {
				seen.add(name);
				const text = printable(detail).slice(0, MAX_DETAIL);
				return await append({
					kind: "call.refused",
					at: iso(nowMs),
					why: kind,
					site,
					key,
					address,
					detail: text,
				});
			}
			const counted = repeated.get(kind) ?? { count: 0, from: new Set() };
			repeated.set(kind, counted);
			counted.count++;
			if (counted.from.size < MAX_NAMED) counted.from.add(site ?? address);
		},
	};
}

/** What a failed call says about its caller; undefined: nothing. */
export function offenceOf(error: FlowerError, info: CallInfo, members: Members): Offence | undefined {
	const { reason } = error;
	if (reason === undefined) return undefined;
	const keyPem = claimedKey(info.headers);
	const member = keyPem === undefined ? undefined : members.find(keyPem);
	// Sites that wait for approval ask from time to time whether they have it.
	if (reason === "unknown-key" && member?.state === "pending") return undefined;
	return {
		why: reason === "not-registered" ? "unknown-key" : reason,
		site: member?.site ?? null,
		key: keyPem === undefined ? null : keyFingerprint(keyPem),
		address: addressOf(info.peer),
		detail: error.message,
	};
}

/** Refusals of replies that are about who sent what when; the others are about what is in an update. */
const OFFENCE_OF_REFUSAL: Readonly<Partial<Record<UpdateRejection, OffenceKind>>> = {
	duplicate: "duplicate",
	late: "late",
	"wrong-round": "wrong-round",
	"wrong-site": "wrong-site",
	"unknown-task": "unknown-task",
	"bad-signature": "bad-update-signature",
};

/** What the refusal of a member's reply says about it; undefined: nothing. */
export function offenceOfRefusal(
	{ code, reason }: { readonly code: string; readonly reason: string },
	member: { readonly site: string; readonly publicKeyPem: string },
	peer: string,
): Offence | undefined {
	const kinds: Readonly<Record<string, OffenceKind | undefined>> = OFFENCE_OF_REFUSAL;
	const found = kinds[code];
	if (found === undefined) return undefined;
	const { site, publicKeyPem } = member;
	return { why: found, site, key: keyFingerprint(publicKeyPem), address: addressOf(peer), detail: reason };
}

/** Without what a terminal would act on. */
function printable(text: string): string {
	return text.replaceAll(/[^\x20-\x7e]/g, "?");
}
