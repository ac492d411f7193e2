// Codes that open a page once and only for a while. Kept as hashes, so that a dump of the memory holds none that works.
import { createHash, randomBytes } from "node:crypto";

const CODE_MINUTES = 10;

/** A code and its end. */
export interface OneTimeCode {
	readonly code: string;
	readonly expiresAtMs: number;
}

/** The codes that were made and not used yet. */
export interface OneTimeCodes {
	make(): OneTimeCode;
	/** True for a code that is known and not too old; it is used up by asking. */
	take(secret: string): boolean;
}

/** No codes yet. */
export function createOneTimeCodes(now: () => number): OneTimeCodes {
	/** When they end, by hash: a look-up's time says nothing about the codes that there are. */
	const codes = new Map<string, number>();
	return {
		make() {
			const code = newSecret();
			const expiresAtMs = now() + CODE_MINUTES * 60_000;
			codes.set(hashOf(code), expiresAtMs);
			return { code, expiresAtMs };
		},
		take(secret) {
			const key = hashOf(secret);
			const expiresAtMs = codes.get(key);
			codes.delete(key);
			return expiresAtMs !== undefined && expiresAtMs > now();
		},
	};
}

/** A secret that nobody guesses, fit for addresses. */
export function newSecret(): string {
	return randomBytes(24).toString("base64url");
}

/** What is kept of a secret. */
export function hashOf(secret: string): string {
	return createHash("sha256").update(secret).digest("hex");
}
