import { generateKeyPairSync, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FlowerError } from "./errors.ts";
import {
	callSigner,
	callVerifier,
	createNodeIdentity,
	loadNodeIdentity,
	parsePublicKey,
	signCall,
	verifyCall,
} from "./node-auth.ts";

const file = new URL("../../../golden/flower/node-auth.json", import.meta.url);
// The file's hash is in golden/flower/README.md.
const golden = JSON.parse(readFileSync(file, "utf8")) as {
	readonly timestamp: string;
	readonly pk_pem: string;
	readonly signature_b64: string;
};
const goldenHeaders = new Map<string, string | Uint8Array>([
	["flwr-public-key-bin", Buffer.from(golden.pk_pem)],
	["flwr-timestamp", golden.timestamp],
	["flwr-signature-bin", Buffer.from(golden.signature_b64, "base64")],
]);
const goldenMs = Date.parse(golden.timestamp);
const nowMs = Date.UTC(2026, 10, 23, 10, 35, 29, 123);

/** The text of the refusal, or the key's PEM. */
function outcome(headers: ReadonlyMap<string, string | Uint8Array>, atMs: number): string {
	try {
		return verifyCall(headers, atMs);
	} catch (caught) {
		if (caught instanceof FlowerError && caught.code === "unauthenticated") return caught.message;
		throw caught;
	}
}

describe("node authentication", () => {
	test("accepts what Flower signed, from 5 s early to 305 s late", () => {
		expect(outcome(goldenHeaders, goldenMs)).toBe(golden.pk_pem);
		expect(outcome(goldenHeaders, goldenMs - 4_999)).toBe(golden.pk_pem);
		expect(outcome(goldenHeaders, goldenMs - 5_001)).toBe("Invalid timestamp");
		expect(outcome(goldenHeaders, goldenMs + 304_999)).toBe(golden.pk_pem);
		expect(outcome(goldenHeaders, goldenMs + 305_001)).toBe("Invalid timestamp");
	});

	test("signs what Flower can read", () => {
		const identity = createNodeIdentity();
		const headers = signCall(identity, nowMs);
		expect(headers.get("flwr-timestamp")).toBe("2026-11-23T10:35:29.123000+00:00");
		expect(Buffer.from(headers.get("flwr-public-key-bin") ?? "").toString()).toBe(identity.publicKeyPem);
		expect(identity.publicKeyPem.endsWith("-----END PUBLIC KEY-----\n")).toBe(true);
		const signature = Buffer.from(headers.get("flwr-signature-bin") ?? "");
		expect(
			verify("sha256", Buffer.from("2026-11-23T10:35:29.123000+00:00"), identity.publicKeyPem, signature),
		).toBe(true);
		expect(outcome(headers, nowMs)).toBe(identity.publicKeyPem);
	});

	test("an identity survives its private key", () => {
		const identity = createNodeIdentity();
		const again = loadNodeIdentity(identity.privateKeyPem);
		expect(again.publicKeyPem).toBe(identity.publicKeyPem);
		expect(outcome(signCall(again, nowMs), nowMs)).toBe(identity.publicKeyPem);
	});

	test.each(["flwr-public-key-bin", "flwr-timestamp", "flwr-signature-bin"])("%s is required", (name) => {
		const headers = new Map(goldenHeaders);
		headers.delete(name);
		expect(outcome(headers, goldenMs)).toBe("Missing authentication metadata");
	});

	test("another's key, another time or another signature is no proof", () => {
		const changed = (name: string, value: string | Uint8Array) => new Map([...goldenHeaders, [name, value]]);
		const stranger = Buffer.from(createNodeIdentity().publicKeyPem);
		expect(outcome(changed("flwr-public-key-bin", stranger), goldenMs)).toBe("Invalid signature");
		const later = golden.timestamp.replace("29.1", "29.2");
		expect(outcome(changed("flwr-timestamp", later), goldenMs)).toBe("Invalid signature");
		expect(outcome(changed("flwr-timestamp", "yesterday"), goldenMs)).toBe("Invalid timestamp");
		expect(outcome(changed("flwr-signature-bin", new Uint8Array(1000)), goldenMs)).toBe("Invalid signature");
		expect(outcome(changed("flwr-public-key-bin", new Uint8Array(5000)), goldenMs)).toBe("Invalid signature");
	});

	test("any change of a header is refused, never a crash", () => {
		const signature = Buffer.from(golden.signature_b64, "base64");
		fc.assert(
			fc.property(fc.nat(signature.length - 1), fc.integer({ min: 1, max: 255 }), (index, flip) => {
				const changed = Uint8Array.from(signature);
				changed[index] = (changed[index] ?? 0) ^ flip;
				const headers = new Map([...goldenHeaders, ["flwr-signature-bin", changed]] as const);
				expect(outcome(headers, goldenMs)).toBe("Invalid signature");
			}),
			{ numRuns: 50 },
		);
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
				const headers = new Map([...goldenHeaders, ["flwr-public-key-bin", bytes]] as const);
				expect(outcome(headers, goldenMs)).toBe("Invalid signature");
			}),
			{ numRuns: 50 },
		);
	});

	test("one signature serves the calls of 20 s, and a remembered one still ends with its age", () => {
		const identity = createNodeIdentity("prime256v1");
		let atMs = nowMs;
		const headersNow = callSigner(identity, () => atMs);
		const verify = callVerifier();
		const first = headersNow();
		atMs += 19_999;
		expect(headersNow()).toBe(first);
		expect(verify(first, atMs)).toBe(identity.publicKeyPem);
		expect(verify(first, atMs)).toBe(identity.publicKeyPem);
		expect(() => verify(first, nowMs + 305_001)).toThrow("Invalid timestamp");
		atMs += 1;
		expect(headersNow().get("flwr-timestamp")).not.toBe(first.get("flwr-timestamp"));
		atMs = nowMs - 60_000;
		expect(headersNow().get("flwr-timestamp")).toBe("2026-11-23T10:34:29.123000+00:00");
	});

	test("a verifier that has seen a key refuses other times and signatures under it", () => {
		const identity = createNodeIdentity("prime256v1");
		const verify = callVerifier();
		const headers = signCall(identity, nowMs);
		expect(verify(headers, nowMs)).toBe(identity.publicKeyPem);
		const later = signCall(identity, nowMs + 1000).get("flwr-timestamp") ?? "";
		expect(() => verify(new Map([...headers, ["flwr-timestamp", later]]), nowMs)).toThrow(
			"Invalid signature",
		);
		const other = signCall(createNodeIdentity("prime256v1"), nowMs).get("flwr-signature-bin") ?? "";
		expect(() => verify(new Map([...headers, ["flwr-signature-bin", other]]), nowMs)).toThrow(
			"Invalid signature",
		);
		expect(verify(headers, nowMs)).toBe(identity.publicKeyPem);
	});

	test("keys off the NIST curves are refused", () => {
		const ed25519 = generateKeyPairSync("ed25519");
		const koblitz = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
		for (const { privateKey, publicKey } of [ed25519, koblitz]) {
			const privatePem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
			const publicPem = publicKey.export({ type: "spki", format: "pem" }).toString();
			expect(() => loadNodeIdentity(privatePem)).toThrow(/NIST/);
			expect(() => parsePublicKey(Buffer.from(publicPem))).toThrow(/NIST/);
		}
		expect(() => loadNodeIdentity("no key")).toThrow(/PEM/);
	});
});
