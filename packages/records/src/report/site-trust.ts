// Who took part and what is known of the origin of their updates, from a run's events.
import { keyFingerprint, type RoundEvent } from "@zk0/federation";

/** One site's security state in a run. */
export interface SiteTrust {
	readonly site: string;
	/** Fingerprint of the key that it joined with; null when the log names none. */
	readonly key: string | null;
	/** Accepted or late updates with a signature that the server had checked, and without any. */
	readonly numSigned: number;
	readonly numUnsigned: number;
	/** Updates that were scaled back to the run's limit, at the site or at the server. */
	readonly numClipped: number;
	/** Updates and messages that were refused, by reason. */
	readonly refused: Readonly<Record<string, number>>;
}

/** What the run did for privacy, as its log says, in words that claim no more. */
export function privacyOf(events: readonly RoundEvent[]): string {
	const started = events.find((event) => event.kind === "run.started");
	if (started === undefined) return "not recorded";
	if (started.privacy === "none")
		return "none: weights travel as they are, and may tell something of the recordings";
	return `clipped: no update counts with a norm above ${started.clipNorm}; this bounds a site's influence and is no differential privacy`;
}

/** Folds a run's events; sorted by site. */
export function siteTrust(events: readonly RoundEvent[]): SiteTrust[] {
	type Draft = Omit<{ -readonly [K in keyof SiteTrust]: SiteTrust[K] }, "site" | "refused"> & {
		refused: Map<string, number>;
	};
	const sites = new Map<string, Draft>();
	const of = (site: string): Draft => {
		const found = sites.get(site) ?? {
			key: null,
			numSigned: 0,
			numUnsigned: 0,
			numClipped: 0,
			refused: new Map(),
		};
		sites.set(site, found);
		return found;
	};
	for (const event of events) {
		if (event.kind === "site.joined") {
			of(event.site).key = event.publicKey === null ? null : keyFingerprint(event.publicKey);
		} else if (event.kind === "update.received" || event.kind === "update.late") {
			if (event.signed === null) of(event.site).numUnsigned++;
			else of(event.site).numSigned++;
		} else if (event.kind === "update.clipped") {
			of(event.site).numClipped++;
		} else if (event.kind === "update.rejected") {
			const { refused } = of(event.site);
			refused.set(event.code, (refused.get(event.code) ?? 0) + 1);
		}
	}
	return [...sites]
		.sort(([a], [b]) => (a < b ? -1 : 1))
		.map(([site, draft]) => ({ site, ...draft, refused: Object.fromEntries(draft.refused) }));
}
