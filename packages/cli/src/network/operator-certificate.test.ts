// Certificates that an operator brings: what is taken, and what is refused with which cure.
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCertificateAuthority, issueServerCertificate } from "@zk0/flower/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CliError } from "../cli-error.ts";
import { SYSTEM } from "./invitation.ts";
import { operatorTrust } from "./operator-certificate.ts";
import { parseLimits } from "./server-limits.ts";
import { parseCertificate } from "./server-settings.ts";

const NOW = Date.UTC(2026, 10, 23);
const days = (count: number): Date => new Date(NOW + count * 86_400_000);
const year = { notBefore: days(-1), notAfter: days(364) };
const past = { notBefore: days(-20), notAfter: days(-10) };

let dir: string;
beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-own-"));
	const authority = await createCertificateAuthority({ commonName: "ours", ...year });
	const other = await createCertificateAuthority({ commonName: "theirs", ...year });
	const good = await issueServerCertificate(authority, { hosts: ["fl.example.org"], ...year });
	const late = await issueServerCertificate(authority, { hosts: ["fl.example.org"], ...past });
	const soon = await issueServerCertificate(authority, {
		hosts: ["fl.example.org"],
		notBefore: days(2),
		notAfter: days(3),
	});
	const files = {
		"good.pem": good.certificateChain,
		"good.key": good.privateKey,
		"late.pem": late.certificateChain,
		"late.key": late.privateKey,
		"soon.pem": soon.certificateChain,
		"soon.key": soon.privateKey,
		"ca.pem": authority.certificate,
		"other.pem": other.certificate,
		"text.pem": "hello",
		"broken.pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	};
	for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
});
afterAll(() => rm(dir, { recursive: true }));

async function read(certificate: string, key: string, ca: string | null = null, address = "fl.example.org") {
	const at = (name: string): string => join(dir, name);
	const files = { certificate: at(certificate), key: at(key), ca: ca === null ? null : at(ca) };
	return await operatorTrust(files, address, NOW);
}

test("a good one is shown with its authority where sites are to pin that, else alone", async () => {
	const alone = await read("good.pem", "good.key");
	expect(alone).toMatchObject({ pin: SYSTEM, expiresAtMs: year.notAfter.getTime() });
	const pinned = await read("good.pem", "good.key", "ca.pem");
	expect(pinned.pin).toMatch(/^[0-9a-f]{64}$/);
	const count = (text: string): number => text.split("BEGIN CERTIFICATE").length - 1;
	expect([alone, pinned].map(({ certificate }) => count(certificate.certificateChain))).toEqual([1, 2]);
});

test.each([
	[["good.pem", "late.key"], "is not the key of"],
	[["late.pem", "late.key"], "expired on"],
	[["soon.pem", "soon.key"], "is not valid before"],
	[["good.pem", "good.key", null, "elsewhere.example.org"], "is for DNS:fl.example.org, not for elsewhere"],
	[["good.pem", "good.key", "other.pem"], "did not issue the certificate"],
	[["good.pem", "good.key", "good.pem"], "is not an authority's certificate"],
	[["text.pem", "good.key"], "holds no certificate"],
	[["broken.pem", "good.key"], "cannot be read"],
	[["good.pem", "text.pem"], "holds no private key"],
	[["nothing.pem", "good.key"], "cannot be read"],
] as const)("%j is refused: it %s", async ([certificate, key, ca, address], message) => {
	const error = await read(certificate, key, ca, address).catch((caught: unknown) => caught);
	expect(error).toBeInstanceOf(CliError);
	expect(error).toMatchObject({
		code: "bad-certificate",
		message: expect.stringContaining(message),
		cure: expect.any(String),
	});
});

test("a key of a weak kind is refused", async () => {
	const { privateKey } = generateKeyPairSync("ec", { namedCurve: "secp521r1" });
	await writeFile(join(dir, "weak.key"), privateKey.export({ type: "pkcs8", format: "pem" }).toString());
	await expect(read("good.pem", "weak.key")).rejects.toThrow("is not the key of");
});

test("flags: certificate and key go together; off goes back to the server's own", () => {
	expect(parseCertificate({ certificate: "a", key: "/b" }, "/x")).toEqual({
		certificate: { certificate: "/x/a", key: "/b", ca: null },
	});
	expect(parseCertificate({ certificate: "off" }, "/x")).toEqual({ certificate: null });
	expect(parseCertificate({}, "/x")).toEqual({});
	expect(() => parseCertificate({ key: "b" }, "/x")).toThrow("go together");
});

test("limits are numbers under names that there are", () => {
	expect(parseLimits({ connections: "10", callsPerSecond: "2.5" })).toEqual({
		connections: 10,
		callsPerSecond: 2.5,
	});
	expect(() => parseLimits({ conections: "10" })).toThrow("no such limit");
	for (const bad of ["0", "-1", "many", "1.5"])
		expect(() => parseLimits({ connections: bad })).toThrow("--limit");
});
