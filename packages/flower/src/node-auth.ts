// Flower's node authentication: every Fleet call carries the node's public key and its signature over the time.
// It proves possession of the key within the last minutes and no more: neither method nor body is signed, so TLS is
// what keeps a call from being replayed or changed.
import {
	createPrivateKey,
	createPublicKey,
	generateKeyPairSync,
	type KeyObject,
	sign,
	verify,
} from "node:crypto";
import { FlowerError } from "./errors.ts";
import { MAX_PUBLIC_KEY_BYTES, MAX_REMEMBERED_KEYS, MAX_SIGNATURE_BYTES } from "./limits.ts";
import type { CallHeaders } from "./transport.ts";

const PUBLIC_KEY_HEADER = "flwr-public-key-bin";
const TIMESTAMP_HEADER = "flwr-timestamp";
const SIGNATURE_HEADER = "flwr-signature-bin";

/** Flower accepts signatures from 5 s in the future to 305 s old. */
const MAX_AHEAD_MS = 5_000;
const MAX_AGE_MS = 305_000;

/** How long a node uses one signature: far from MAX_AGE_MS, so that clocks may differ by minutes. */
const SIGNATURE_REUSE_MS = 20_000;

const NIST_CURVES: ReadonlySet<string | undefined> = new Set([
	"prime256v1",
	"secp224r1",
	"secp384r1",
	"secp521r1",
]);

/** A node's key pair. */
export interface NodeIdentity {
	/** PEM (SubjectPublicKeyInfo) with a trailing newline; servers compare it byte for byte. */
	readonly publicKeyPem: string;
	/** PEM (PKCS #8). A secret: keep it in a file that only its owner may read. */
	readonly privateKeyPem: string;
	/** ECDSA with SHA-256, DER. */
	sign(text: string): Uint8Array;
}

/** A new identity on P-384, or on P-256 where its ten times quicker signatures matter more (simulations). */
export function createNodeIdentity(namedCurve: "secp384r1" | "prime256v1" = "secp384r1"): NodeIdentity {
	return identityOf(generateKeyPairSync("ec", { namedCurve }).privateKey);
}

/** The identity of an existing private key in PEM. @throws FlowerError invalid-argument unless it is on a NIST curve. */
export function loadNodeIdentity(privateKeyPem: string): NodeIdentity {
	let key: KeyObject;
	try {
		key = createPrivateKey(privateKeyPem);
	} catch (cause) {
		throw new FlowerError("invalid-argument", "The node's private key is not a PEM key.", { cause });
	}
	checkCurve(key);
	return identityOf(key);
}

/**
 * A public key as it arrives from a node.
 * @throws FlowerError invalid-argument unless it is the PEM of a key on a NIST curve.
 */
export function parsePublicKey(pem: Uint8Array): KeyObject {
	if (pem.length > MAX_PUBLIC_KEY_BYTES)
		throw new FlowerError("invalid-argument", `A public key of ${pem.length} bytes.`);
	let key: KeyObject;
	try {
		key = createPublicKey({ key: Buffer.from(pem), format: "pem", type: "spki" });
	} catch (cause) {
		throw new FlowerError("invalid-argument", "A node's public key is not a PEM key.", { cause });
	}
	checkCurve(key);
	return key;
}

/** The headers that authenticate a call made at `nowMs` (milliseconds since the Unix epoch). */
export function signCall(identity: NodeIdentity, nowMs: number): CallHeaders {
	// Six fraction digits and a numeric offset: older Python versions read no other spelling.
	const timestamp = new Date(nowMs).toISOString().replace("Z", "000+00:00");
	return new Map<string, string | Uint8Array>([
		[PUBLIC_KEY_HEADER, Buffer.from(identity.publicKeyPem)],
		[TIMESTAMP_HEADER, timestamp],
		[SIGNATURE_HEADER, identity.sign(timestamp)],
	]);
}

/** The public key (PEM) that a call's headers name, whoever made it. */
export function claimedKey(headers: CallHeaders): string | undefined {
	const publicKey = headers.get(PUBLIC_KEY_HEADER);
	if (!(publicKey instanceof Uint8Array) || publicKey.length > MAX_PUBLIC_KEY_BYTES) return undefined;
	return Buffer.from(publicKey).toString("latin1");
}

/**
 * `signCall` that signs again only after SIGNATURE_REUSE_MS: a signature proves the key, not the call, and one on P-384
 * takes longer than a small call otherwise.
 */
export function callSigner(identity: NodeIdentity, now: () => number): () => CallHeaders {
	let signed: { readonly headers: CallHeaders; readonly atMs: number } | null = null;
	return () => {
		const nowMs = now();
		const isFresh = signed !== null && nowMs >= signed.atMs && nowMs - signed.atMs < SIGNATURE_REUSE_MS;
		if (signed === null || !isFresh) signed = { headers: signCall(identity, nowMs), atMs: nowMs };
		return signed.headers;
	};
}

/**
 * The public key (PEM) whose holder made a call, as its headers prove.
 * @throws FlowerError unauthenticated, with Flower's own texts.
 */
export function verifyCall(
	headers: CallHeaders,
	nowMs: number,
	isProof: (publicKey: Uint8Array, timestamp: string, signature: Uint8Array) => boolean = isSignedBy,
): string {
	const publicKey = headers.get(PUBLIC_KEY_HEADER);
	const timestamp = headers.get(TIMESTAMP_HEADER);
	const signature = headers.get(SIGNATURE_HEADER);
	if (
		!(publicKey instanceof Uint8Array) ||
		typeof timestamp !== "string" ||
		!(signature instanceof Uint8Array)
	)
		throw new FlowerError("unauthenticated", "Missing authentication metadata", {
			reason: "unsigned",
		});
	const ageMs = nowMs - parseTimestamp(timestamp);
	if (!(ageMs > -MAX_AHEAD_MS && ageMs < MAX_AGE_MS))
		throw new FlowerError("unauthenticated", "Invalid timestamp", { reason: "expired" });
	if (!isProof(publicKey, timestamp, signature))
		throw new FlowerError("unauthenticated", "Invalid signature", { reason: "bad-signature" });
	return Buffer.from(publicKey).toString("latin1");
}

/**
 * `verifyCall` that remembers, per key, the key and the last signature that it has checked: parsing a key takes three times
 * as long as checking a signature, and a node uses one signature for many calls.
 */
export function callVerifier(): (headers: CallHeaders, nowMs: number) => string {
	const known = new Map<string, { readonly key: KeyObject; proof: string }>();
	const isProof = (publicKey: Uint8Array, timestamp: string, signature: Uint8Array): boolean => {
		const text = Buffer.from(publicKey).toString("latin1");
		const proof = `${timestamp} ${Buffer.from(signature).toString("latin1")}`;
		const found = known.get(text);
		if (found?.proof === proof) return true;
		let key = found?.key;
		const parse = (pem: Uint8Array): KeyObject => {
			key ??= parsePublicKey(pem);
			return key;
		};
		if (!isSignedBy(publicKey, timestamp, signature, parse) || key === undefined) return false;
		if (found !== undefined) found.proof = proof;
		else {
			const [oldest] = known.keys();
			if (oldest !== undefined && known.size >= MAX_REMEMBERED_KEYS) known.delete(oldest);
			known.set(text, { key, proof });
		}
		return true;
	};
	return (headers, nowMs) => verifyCall(headers, nowMs, isProof);
}

/** True when the holder of `publicKey` (PEM) signed `text`; false, too, for a key that cannot be read. */
export function isSignedBy(
	publicKey: Uint8Array,
	text: string,
	signature: Uint8Array,
	parseKey: (pem: Uint8Array) => KeyObject = parsePublicKey,
): boolean {
	if (signature.length > MAX_SIGNATURE_BYTES) return false;
	try {
		return verify("sha256", Buffer.from(text), parseKey(publicKey), signature);
	} catch (caught) {
		// Policy: a key that cannot be read has signed nothing.
		if (caught instanceof FlowerError) return false;
		throw caught;
	}
}

/** NaN for anything but ISO 8601 with seconds and an offset. */
function parseTimestamp(text: string): number {
	const isIso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/.test(text);
	return isIso ? Date.parse(text) : Number.NaN;
}

function identityOf(key: KeyObject): NodeIdentity {
	return {
		publicKeyPem: createPublicKey(key).export({ type: "spki", format: "pem" }).toString(),
		privateKeyPem: key.export({ type: "pkcs8", format: "pem" }).toString(),
		sign: (text) => sign("sha256", Buffer.from(text), key),
	};
}

function checkCurve(key: KeyObject): void {
	const curve = key.asymmetricKeyDetails?.namedCurve;
	if (key.asymmetricKeyType !== "ec" || !NIST_CURVES.has(curve))
		throw new FlowerError(
			"invalid-argument",
			`A node's key must be on a NIST curve, got ${curve ?? key.asymmetricKeyType ?? "an unknown kind"}.`,
		);
}
