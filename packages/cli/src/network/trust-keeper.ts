// What a running server shows, and what it tells its sites to trust: looked at every hour, and when an announced authority's
// time has come.
import { trustName } from "@zk0/flower/node";
import { CliError } from "../cli-error.ts";
import { newAuthority, type ServerTrust, trustOf } from "./authority.ts";
import { changesAtMs, type Rotation, writeRotation } from "./authority-rotation.ts";
import type { ServerHome } from "./home.ts";
import type { ServerSettings } from "./server-settings.ts";

/** A server's trust. Disposing it ends the looks. */
export interface TrustKeeper extends Disposable {
	/** What the server shows now; null: it has no TLS. */
	readonly trust: ServerTrust | null;
	/** What a site that trusts the set with the name `trusted` should trust instead; empty: nothing else. */
	announce(site: string, trusted: string): readonly string[];
	/**
	 * Announces a new authority, for the server to change to after `overlapMs`. When one is announced already only the time is
	 * changed, or with null nothing. @throws CliError "server-refused"
	 */
	rotate(overlapMs: number | null): Promise<Rotation>;
	/** Looks from now on; `onTrust` gets what every look found. */
	watch(onTrust: (trust: ServerTrust | null) => Promise<void>): void;
}

/** What a keeper needs. */
export interface TrustKeeperOptions {
	readonly home: ServerHome;
	readonly settings: ServerSettings;
	readonly now: () => number;
	readonly onFault: (error: unknown) => void;
}

const HOUR_MS = 3600 * 1000;
const DAY_MS = 24 * HOUR_MS;
/** Time for sites to hear of a new authority, unless the operator says otherwise. */
const OVERLAP_MS = 30 * DAY_MS;

/** Reads or makes what the server shows. @throws CliError "bad-certificate" */
export async function openTrustKeeper({
	home,
	settings,
	now,
	onFault,
}: TrustKeeperOptions): Promise<TrustKeeper> {
	let trust = await trustOf(home, settings, now());
	let timer: NodeJS.Timeout | undefined;
	let onTrust: (trust: ServerTrust | null) => Promise<void> = () => Promise.resolve();
	const look = async (): Promise<void> => {
		trust = await trustOf(home, settings, now());
		await onTrust(trust);
	};
	const schedule = (): void => {
		clearTimeout(timer);
		const rotation = trust?.rotation ?? null;
		const dueMs = rotation === null ? HOUR_MS : changesAtMs(rotation) - now();
		timer = setTimeout(
			() => void look().catch(onFault).finally(schedule),
			Math.max(1, Math.min(HOUR_MS, dueMs)),
		).unref();
	};
	/** Notes on disk are written one after another. */
	let writing: Promise<void> = Promise.resolve();
	const keep = (rotation: Rotation): Promise<void> => {
		if (trust !== null) trust = { ...trust, rotation };
		writing = writing.catch(() => undefined).then(() => writeRotation(home, rotation));
		return writing;
	};
	return {
		get trust() {
			return trust;
		},
		announce(site, trusted) {
			if (trust === null || trust.authorities.length === 0) return [];
			if (trusted !== trustName(trust.authorities)) return trust.authorities;
			const { rotation } = trust;
			if (rotation !== null && !rotation.known.includes(site))
				keep({ ...rotation, known: [...rotation.known, site].sort() }).catch(onFault);
			return [];
		},
		async rotate(overlapMs) {
			if (trust === null || settings.certificate !== null)
				throw new CliError("server-refused", "this server shows no certificate of an authority of its own", {
					cure: "a certificate of the operator's own is renewed where it came from",
				});
			const changesAt = (ms: number): string => new Date(now() + ms).toISOString();
			const earlier = trust.rotation;
			if (earlier !== null && overlapMs === null) return earlier;
			const rotation: Rotation =
				earlier === null
					? {
							...(await newAuthority(now())),
							announcedAt: new Date(now()).toISOString(),
							changesAt: changesAt(overlapMs ?? OVERLAP_MS),
							known: [],
						}
					: { ...earlier, changesAt: changesAt(overlapMs ?? OVERLAP_MS) };
			await keep(rotation);
			await look();
			schedule();
			return rotation;
		},
		watch(callback) {
			onTrust = callback;
			schedule();
		},
		[Symbol.dispose]() {
			clearTimeout(timer);
		},
	};
}
